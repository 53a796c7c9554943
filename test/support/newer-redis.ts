import { findTool } from './tools.ts';
import { run } from './run.ts';

/** The path of a server with WAITAOF (Redis 7.2, Valkey), under whichever name it is installed; undefined when there is none. */
export async function findNewerRedis(): Promise<string | undefined> {
  for (const name of ['valkey-server', 'redis-server']) {
    const path = findTool(name);
    if (path === undefined) continue;
    const { output } = await run(path, ['--version']);
    const [, major = '0', minor = '0'] = / v=(\d+)\.(\d+)/.exec(output) ?? [];
    if (Number(major) > 7 || (Number(major) === 7 && Number(minor) >= 2)) return path;
  }
  return undefined;
}
