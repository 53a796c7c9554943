import { cliArguments, type RedisAccess } from './redis-access.ts';
import { runOrThrow } from './run.ts';
import { requireTool } from './tools.ts';

/** Runs redis-cli against a port or a unix socket: no connection is left open. Rejects on an error reply. */
export async function redisCli(
  to: number | string,
  command: readonly string[],
  access: RedisAccess = {},
): Promise<string> {
  const address = typeof to === 'number' ? ['-h', '127.0.0.1', '-p', String(to)] : ['-s', to];
  return (
    await runOrThrow(requireTool('redis-cli'), [...address, ...cliArguments(access), '-e', ...command])
  ).trimEnd();
}
