import type { RedisServer } from './redis.ts';

/** What became of pushes, read from the changes that Redis keeps (90 s). One letter each, see merge.lua; x = dead letter. */
export interface Audit {
  /** Push ID → its outcomes; more than one would be a push that was settled twice. */
  readonly outcomes: ReadonlyMap<string, readonly string[]>;
  /** In the log, not settled. */
  readonly logged: number;
  readonly dead: number;
}

export async function auditPushes(redis: RedisServer, shards = 16): Promise<Audit> {
  const outcomes = new Map<string, string[]>();
  let logged = 0;
  let dead = 0;
  for (let shard = 0; shard < shards; shard++) {
    const key = `pgw:{${shard}}`;
    const reply = await redis.cli('XRANGE', `${key}:changes`, '-', '+');
    for (const [, settled = ''] of reply.matchAll(/^pushes\n(.*)$/gm)) {
      for (const one of settled.split(' ').filter((text) => text !== '')) {
        const colon = one.lastIndexOf(':');
        const id = one.slice(0, colon);
        outcomes.set(id, [...(outcomes.get(id) ?? []), one.slice(colon + 1)]);
      }
    }
    logged += Number(await redis.cli('XLEN', `${key}:pushes`));
    dead += Number(await redis.cli('XLEN', `${key}:dead`));
  }
  return { outcomes, logged, dead };
}

/** How many pushes had each outcome; throws when one had several. */
export function countOutcomes({ outcomes }: Audit): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [id, of] of outcomes) {
    if (of.length !== 1) throw new Error(`push ${id} was settled ${of.length} times: ${of.join(' ')}`);
    const [letter = ''] = of;
    counts[letter] = (counts[letter] ?? 0) + 1;
  }
  return counts;
}
