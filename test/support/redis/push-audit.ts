import type { RedisServer } from './server.ts';

/** What became of pushes, read from the changes that Redis keeps (90 s). One letter each, see merge.lua; x = dead letter. */
export interface Audit {
  /** Push ID → its outcomes; more than one would be a push that was settled twice. */
  readonly outcomes: ReadonlyMap<string, readonly string[]>;
  /** In the log, not settled. */
  readonly logged: number;
  readonly dead: number;
}

// One call for all shards: a redis-cli takes longer to start than to ask.
const AUDIT = `
  local settled, logged, dead = {}, 0, 0
  for n = 0, ARGV[1] - 1 do
    local base = 'pgw:{' .. n .. '}:'
    for _, entry in ipairs(redis.call('XRANGE', base .. 'changes', '-', '+')) do settled[#settled + 1] = entry[2][2] end
    logged = logged + redis.call('XLEN', base .. 'pushes')
    dead = dead + redis.call('XLEN', base .. 'dead')
  end
  return { logged, dead, table.concat(settled, ' ') }`;

/** Of a single server, as it is at one moment. */
export async function auditPushes(redis: RedisServer, shards = 16): Promise<Audit> {
  const reply = await redis.cli('EVAL', AUDIT, '0', String(shards));
  const [logged = '', dead = '', settled = ''] = reply.split('\n');
  const outcomes = new Map<string, string[]>();
  for (const one of settled.split(' ').filter((text) => text !== '')) {
    const colon = one.lastIndexOf(':');
    const id = one.slice(0, colon);
    outcomes.set(id, [...(outcomes.get(id) ?? []), one.slice(colon + 1)]);
  }
  return { outcomes, logged: Number(logged), dead: Number(dead) };
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
