import { eventually } from '../../support/eventually.ts';
import type { RedisServer } from '../../support/redis/server.ts';
import { SHAPES } from '../harness/fleet.ts';
import type { Topology } from '../harness/backend.ts';
import { startClusterIsolation, startSentinelIsolation, type Isolation } from '../harness/isolation.ts';
import type { Fault } from '../harness/scenario.ts';

/** Of the backend of the next fault. */
let isolation: Isolation | undefined;

/** One side: the old master and half of the gateways. Other side: all other servers, Sentinels and gateways. */
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
    isolation?.restore();
    for (const { link } of fleet.members) link?.restore();
    await backend.whole();
  },
  // Pushes to the old master are answered that they are on no replica. Readers of the old master show them, although
  // pushes that the new master has acknowledged are missing. (The old master of a Cluster soon stops answering.)
  allows: { indeterminate: true, backwards: true, ahead: true },
};

/** It does not notice that it was replaced; in a Cluster, it notices that it cannot reach the others. */
async function requireCutOff(master: RedisServer, topology: Topology): Promise<void> {
  if ((await master.info('role')) !== 'master') throw new Error('the old master has heard of the new one');
  if (topology !== 'cluster') return;
  await eventually(async () => (await master.cli('CLUSTER', 'INFO')).includes('cluster_state:fail'), {
    timeoutMs: 5_000,
    what: 'a minority master that is down',
  });
}

export const partitionFaults: readonly Fault[] = [minorityMaster];
