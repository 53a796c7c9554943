import { findTool } from '../process/tools.ts';
import { run } from '../process/run.ts';

const NAMES = ['redis-server', 'valkey-server', 'redis-server-6.2'];

/**
 * The path of a server with WAITAOF (Redis 7.2, Valkey), under whichever name it is installed; undefined when there is
 * none.
 */
export async function findNewerRedis(): Promise<string | undefined> {
  return find((version) => version >= 7.2);
}

/** The path of a server without WAITAOF. */
export async function findOlderRedis(): Promise<string | undefined> {
  return find((version) => version < 7.2);
}

async function find(fits: (version: number) => boolean): Promise<string | undefined> {
  for (const name of NAMES) {
    const path = findTool(name);
    if (path === undefined) continue;
    const { output } = await run(path, ['--version']);
    if (fits(Number(/ v=(\d+\.\d)/.exec(output)?.[1]))) return path;
  }
  return undefined;
}
