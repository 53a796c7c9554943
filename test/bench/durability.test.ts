import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/servers/gateway.ts';
import { findNewerRedis } from '../support/redis/versions.ts';
import { startRedis } from '../support/redis/server.ts';
import { startCluster } from '../support/redis/cluster.ts';
import { startSentinel } from '../support/redis/sentinel.ts';
import { runOrThrow } from '../support/process/run.ts';
import { temporaryFolder } from '../support/process/temporary.ts';
import { requireTool } from '../support/process/tools.ts';

// The cost of each durability level on each topology, compared with `memory` in the same round. Prints the table of
// docs/durability.md: `BENCH=1 npx vitest run test/bench/durability.test.ts`. The levels take turns, so that other load
// on the machine affects all of them.

const ROUNDS = Number(process.env['ROUNDS'] ?? 7);
const SECONDS = Number(process.env['SECONDS'] ?? 3);
const CONNECTIONS = [16, 64];

const EVERYSEC = ['--appendonly', 'yes', '--appendfsync', 'everysec'];
const ALWAYS = ['--appendonly', 'yes', '--appendfsync', 'always'];

interface Case {
  readonly topology: string;
  readonly level: string;
  readonly redis: string;
  readonly endpoint: string;
  readonly args: readonly string[];
}

interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const newer = await findNewerRedis();

async function cases(topology: string): Promise<Case[]> {
  const memory = { topology, level: 'memory', redis: 'everysec', args: [] };
  const replica = { topology, level: 'replica, 1', redis: 'everysec', args: ['--redis.wait-replicas=1'] };
  const disk = { topology, level: 'disk', redis: 'always', args: ['--push.durability=disk'] };
  if (topology === 'one server') {
    const [each, always] = [await startRedis({ args: EVERYSEC }), await startRedis({ args: ALWAYS })];
    const found = [
      { ...memory, endpoint: each.endpoint },
      { ...disk, endpoint: always.endpoint },
    ];
    if (newer === undefined) return found;
    const waited = await startRedis({ args: EVERYSEC, program: newer });
    return [...found, { ...disk, redis: 'everysec, WAITAOF', endpoint: waited.endpoint }];
  }
  if (topology === 'Sentinel') {
    const [each, always] = [await startSentinel({ args: EVERYSEC }), await startSentinel({ args: ALWAYS })];
    const named = (args: readonly string[]): string[] => [...args, `--redis.master-name=${each.masterName}`];
    const both = { ...replica, level: 'replica, 2', args: ['--redis.wait-replicas=2'] };
    return [
      ...[memory, replica, both].map((one) => ({ ...one, endpoint: each.endpoint, args: named(one.args) })),
      { ...disk, endpoint: always.endpoint, args: named(disk.args) },
    ];
  }
  const [each, always] = [await startCluster({ args: EVERYSEC }), await startCluster({ args: ALWAYS })];
  return [
    { ...memory, endpoint: each.endpoint },
    { ...replica, endpoint: each.endpoint },
    { ...disk, endpoint: always.endpoint },
  ];
}

/** PUTs of ten series to a thousand groups. */
function writeScript(): string {
  const file = join(temporaryFolder(), 'push.lua');
  const lines = Array.from({ length: 10 }, (_, i) => `m{i="${i}"} ${i}\\n`).join('');
  const script = `
    local n = 0
    request = function()
      n = n + 1
      return wrk.format('PUT', '/metrics/job/bench/n/' .. n % 1000, nil, '${lines}')
    end
    local refused = 0
    response = function(status) if status ~= 202 then refused = refused + 1 end end`;
  writeFileSync(file, script);
  return file;
}

async function load(url: string, script: string, connections: number): Promise<Measured> {
  const args = ['-t1', `-c${connections}`, `-d${SECONDS}s`, '--latency', '-s', script, url];
  const output = await runOrThrow(requireTool('wrk'), args, { timeoutMs: 120_000 });
  expect(output).not.toContain('Non-2xx');
  const ms = (percent: string): number => {
    const [, value = '', unit = ''] = new RegExp(`${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(output) ?? [];
    return Number(value) * ({ us: 0.001, ms: 1, s: 1000 }[unit] ?? NaN);
  };
  return { perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]), p50Ms: ms('50'), p99Ms: ms('99') };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;

test.for(['one server', 'Sentinel', 'Cluster'])('%s', async (topology) => {
  const script = writeScript();
  const all = await Promise.all(
    (await cases(topology)).map(async (one) => ({
      ...one,
      gateway: await startGateway({ redis: one, args: one.args }),
    })),
  );
  const drained = async (gateway: Gateway): Promise<unknown> =>
    eventually(async () => /^pushgateway_stream_length 0$/m.test(await gateway.telemetry()), { timeoutMs: 60_000 });
  for (const connections of CONNECTIONS) {
    const rounds: Measured[][] = [];
    for (let round = -1; round < ROUNDS; round++) {
      const measured: Measured[] = [];
      for (const { gateway } of all) {
        measured.push(await load(gateway.url, script, connections));
        await drained(gateway);
      }
      if (round >= 0) rounds.push(measured); // the first one warms up
    }
    for (const [i, { level, redis }] of all.entries()) {
      const of = (read: (measured: Measured, round: readonly Measured[]) => number): number =>
        median(rounds.map((round) => read(round[i] as Measured, round)));
      const share = of(({ perSecond }, [memory]) => perSecond / (memory?.perSecond ?? NaN));
      const rate = of(({ perSecond }) => perSecond).toFixed(0);
      const [p50, p99] = [of(({ p50Ms }) => p50Ms).toFixed(1), of(({ p99Ms }) => p99Ms).toFixed(1)];
      console.log(`| ${[topology, level, redis, connections, rate, share.toFixed(2), p50, p99].join(' | ')} |`);
    }
  }
});
