import type { RedisClient } from '../connection/client.ts';
import { Script } from '../scripts/scripts.ts';

const script = new Script('backlog');
type Reply = [length: number, bytes: number, oldest: string, newest: string];

/** `bytes`: approximate size in Redis' memory. `oldest`, `newest`: stream IDs, '' when the log is empty. */
export async function readShardBacklog(client: RedisClient, pushesKey: string) {
  const [length, bytes, oldest, newest] = (await script.run(client, [pushesKey], [])) as Reply;
  return { length, bytes, oldest, newest };
}
