import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../support/ports.ts';
import { runOrThrow } from '../../support/run.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { findTool } from '../../support/tools.ts';
import { SHAPES } from '../harness/fleet.ts';
import { startBackend } from '../harness/backend.ts';
import { Proxy } from '../harness/link.ts';
import type { Fault } from '../harness/scenario.ts';

// A failover in bad circumstances.

const BEHIND_S = 30;

/**
 * In place of the C library's clock, for one process. Not libfaketime: it and the allocator that Redis brings along call each
 * other without end.
 */
const SHIM = `
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
int gettimeofday(struct timeval *tv, void *tz) {
  int result = syscall(SYS_gettimeofday, tv, tz);
  if (tv) tv->tv_sec -= ${BEHIND_S};
  return result;
}
time_t time(time_t *t) {
  struct timeval tv;
  gettimeofday(&tv, 0);
  if (t) *t = tv.tv_sec;
  return tv.tv_sec;
}
`;

async function compileShim(): Promise<string> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'clock.c'), SHIM);
  await runOrThrow('cc', ['-shared', '-fPIC', '-o', 'clock.so', 'clock.c'], { cwd: folder });
  return join(folder, 'clock.so');
}

/** A promoted master that is 30 s behind gives the same stream IDs again, unless they go on from the last one. */
export const clockBehind: Fault = {
  name: `SIGKILL of the Redis master, the promoted one's clock ${BEHIND_S} s behind`,
  topologies: ['sentinel', 'cluster'],
  shapes: SHAPES,
  missing: () => (findTool('cc') === undefined ? 'no C compiler (cc), to build what shifts the clock' : undefined),
  startBackend: async (topology) => {
    const backend = await startBackend(topology, { replicaEnv: { LD_PRELOAD: await compileShim() } });
    for (const node of backend.nodes) {
      const behindS = Date.now() / 1_000 - Number((await node.cli('TIME')).split('\n')[0]);
      const expectedS = (await node.info('role')) === 'master' ? 0 : BEHIND_S;
      if (Math.abs(behindS - expectedS) > 5) throw new Error(`a clock is ${behindS} s behind, not ${expectedS}`);
    }
    return backend;
  },
  run: async ({ backend, hold }) => {
    const master = await backend.master();
    await master.kill();
    await backend.replaced(master);
    await hold(1_000);
    await master.restart();
    await backend.whole();
  },
  allows: { backwards: true },
};

/** The old master, with half of the gateways, on one side; its replicas, the Sentinels, the others on the other. */
let isolation: Proxy | undefined;

export const minorityMaster: Fault = {
  name: 'partition of a minority master, with half of the gateways',
  topologies: ['sentinel'],
  shapes: SHAPES,
  links: true,
  startBackend: async (topology) => {
    const known = new Map<number, number>();
    const announce = async (port: number): Promise<number> => {
      isolation = new Proxy(port, await freePort());
      await isolation.start();
      known.set(port, isolation.port);
      return isolation.port;
    };
    const backend = await startBackend(topology, { announce });
    for (const [own, port] of known) backend.knownPorts.set(own, port);
    return backend;
  },
  run: async ({ backend, fleet, hold }) => {
    const master = await backend.master();
    const others = backend.nodes.filter((node) => node !== master).map(({ port }) => port);
    const sentinels = backend.endpoint.split(',').map((address) => Number(address.split(':')[1]));
    for (const [i, { link }] of fleet.members.entries())
      link?.cut(i % 2 === 0 ? [...others, ...sentinels] : [master.port]);
    isolation?.cut();
    await backend.replaced(master);
    await hold();
    isolation?.mend();
    for (const { link } of fleet.members) link?.mend();
    await backend.whole();
  },
  // Who can reach only the old master is told that what it wrote there is on no replica.
  allows: { indeterminate: true, backwards: true },
};

export const partitionFaults: readonly Fault[] = [clockBehind, minorityMaster];
