import { eventually } from '../../support/eventually.ts';
import type { RedisServer } from '../../support/redis/server.ts';
import { SHAPES } from '../harness/fleet.ts';
import type { Topology } from '../harness/backend.ts';
import { startClusterIsolation, startSentinelIsolation, type Isolation } from '../harness/isolation.ts';
import type { Fault } from '../harness/scenario.ts';

/** Of the backend of the next fault. */
let isolation: Isolation | undefined;

/** The old master, with half of the gateways, on one side; all other servers and Sentinels, the other gateways on the other. */
const minorityMaster: Fault = {
  name: 'partition of a minority master, with half of the gateways',
  topologies: ['sentinel', 'cluster'],
  shapes: SHAPES,
  links: true,
  startBackend: async (topology) => {
    isolation = topology === 'cluster' ? await startClusterIsolation() : await startSentinelIsolation();
    return isolation.backend;
  },
  run: async ({ backend, fleet, hold }) => {
    const master = await backend.master();
    const seeds = backend.endpoint.split(',').map((address) => Number(address.split(':')[1]));
    const others = [...seeds, ...backend.nodes.map(({ port }) => port)].filter((port) => port !== master.port);
    for (const [i, { link }] of fleet.members.entries()) link?.cut(i % 2 === 0 ? others : [master.port]);
    isolation?.cut(master.port);
    await backend.replaced(master);
    await requireCutOff(master, backend.topology);
    await hold();
    await requireCutOff(master, backend.topology);
    isolation?.mend();
    for (const { link } of fleet.members) link?.mend();
    await backend.whole();
  },
  // Who can reach only the old master is told that what it wrote there is on no replica; whoever reads there sees it, though
  // what was acknowledged by the new master meanwhile is missing. (A Cluster's old master soon stops to answer.)
  allows: { indeterminate: true, backwards: true, ahead: true },
};

/** It does not know that another has taken its place; in a Cluster, it knows that it has lost the others. */
async function requireCutOff(master: RedisServer, topology: Topology): Promise<void> {
  if ((await master.info('role')) !== 'master') throw new Error('the old master has heard of the new one');
  if (topology !== 'cluster') return;
  await eventually(async () => (await master.cli('CLUSTER', 'INFO')).includes('cluster_state:fail'), {
    timeoutMs: 5_000,
    what: 'a minority master that is down',
  });
}

export const partitionFaults: readonly Fault[] = [minorityMaster];
