import type { RedisClient } from '../connection/client.ts';
import { Script } from '../scripts/scripts.ts';

export interface ShardBacklog {
  /** Number of pushes in the log. */
  readonly length: number;
  /** Approximate size of the log in Redis' memory. */
  readonly bytes: number;
  /** Stream ID; '' when the log is empty. */
  readonly oldest: string;
  readonly newest: string;
}

const script = new Script('backlog');

/** `key`: the stream of pushes. */
export async function readShardBacklog(client: RedisClient, key: string): Promise<ShardBacklog> {
  const reply = (await script.run(client, [key], [])) as [number, number, string, string];
  const [length, bytes, oldest, newest] = reply;
  return { length, bytes, oldest, newest };
}
