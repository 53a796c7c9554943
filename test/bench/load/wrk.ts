import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runOrThrow } from '../../support/process/run.ts';
import { temporaryFolder } from '../../support/process/temporary.ts';
import { requireTool } from '../../support/process/tools.ts';
import { bodies, type Shape } from './workload.ts';

const SCRIPT = fileURLToPath(new URL('load.lua', import.meta.url));

export interface Load {
  readonly url: string;
  /** Number of groups; pushes go to random ones. */
  readonly groups: number;
  readonly seconds: number;
  readonly shape: Shape;
  /** Default 16. */
  readonly connections?: number;
  /** Pushes per second; default: as fast as answers arrive. */
  readonly rate?: number;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

let runs = 0;

/** Pushes with one thread of wrk. Throws if a push is rejected: the rate would be meaningless. */
export async function push(load: Load): Promise<LoadResult> {
  const { url, groups, seconds, shape, connections = 16, rate = 0 } = load;
  const file = join(temporaryFolder(), 'bodies');
  writeFileSync(file, bodies(shape).join('\0'));
  const wrkArgs = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '60s', '-s', SCRIPT, url];
  const scriptArgs = [String(groups), file, String(rate), String(++runs)];
  const output = await runOrThrow(requireTool('wrk'), [...wrkArgs, '--', ...scriptArgs], {
    timeoutMs: seconds * 1_000 + 90_000,
  });
  const line = /^BENCH (.*)$/m.exec(output)?.[1];
  if (line === undefined) throw new Error(`wrk did not report:\n${output}`);
  const result = JSON.parse(line) as Record<'requests' | 'us' | 'refused' | 'broken' | 'p50us' | 'p99us', number>;
  if (result.refused + result.broken > 0) throw new Error(`not every push to ${url} was accepted: ${line}`);
  return {
    perSecond: result.requests / (result.us / 1e6),
    requests: result.requests,
    p50Ms: result.p50us / 1e3,
    p99Ms: result.p99us / 1e3,
  };
}
