/**
 * One lane of a worker: waits until a log has pushes, and has merge.lua take and apply them until there are none left.
 *
 *     waiting ──pushes──▶ merging, shard by shard ──none left──▶ waiting
 *                            │ Redis is away           ──▶ again, for as long as it takes
 *                            └ the script fails        ──▶ again with one push; too often ──▶ that push to the dead letters
 */
import { asError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import { backoff } from '../../shared/async/backoff.ts';
import { sleep } from '../../shared/async/sleep.ts';
import { CONNECT_TIMEOUT_MS, ready, type RedisClient } from '../../shared/redis/connection/connections.ts';
import type { GroupStore } from '../../shared/redis/groups/group-store.ts';
import type { PushWaiter } from '../../shared/redis/log/log-poller.ts';
import { explain } from '../../shared/redis/connection/connection-errors.ts';
import { classify } from '../../shared/redis/connection/error-classes.ts';
import type { WorkerTelemetry } from './telemetry.ts';

/** Of pushes in one call of the script: it bounds how long that keeps Redis from others. */
const MERGE_BYTES = 256 * 1024;
/** Between two rounds: under load, what arrives meanwhile is merged together. Alone, a push finds its lane waiting. */
const ROUND_MS = 4;
/** Of one who was woken for pushes that another worker had taken: doubled each time, up to this. */
const STANDBY_MAX_MS = 32;

/** What an ACL answers to a command in a script. */
const NO_RIGHT = /^NOPERM|can't run this command/;

export interface LaneContext {
  readonly commands: RedisClient;
  readonly store: GroupStore;
  readonly telemetry: WorkerTelemetry;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly batchSize: number;
  readonly maxAttempts: number;
}

/** Runs until the signal is aborted, and what is under way then has ended. Never rejects. */
export async function mergeLane(context: LaneContext, waiter: PushWaiter, blocking: RedisClient): Promise<void> {
  const { logger, signal } = context;
  const pause = backoff({ minMs: 20, maxMs: 1_000 });
  const attempts = new Map<number, number>();
  let complained = '';
  let roundMs = ROUND_MS;
  await ready(blocking, CONNECT_TIMEOUT_MS, signal);
  while (!signal.aborted) {
    const startedMs = performance.now();
    try {
      const shards = await waiter.wait(blocking);
      if (signal.aborted) return;
      const settled = await Promise.allSettled(shards.map((shard) => mergeAll(context, shard, attempts)));
      const failed = settled.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      pause.reset();
      complained = '';
      const isTooLate = settled.every((result) => result.status === 'fulfilled' && result.value === 0);
      roundMs = isTooLate ? Math.min(2 * roundMs, STANDBY_MAX_MS) : ROUND_MS;
      const leftMs = roundMs - (performance.now() - startedMs);
      if (shards.length > 0 && leftMs > 0) await sleep(leftMs, signal);
    } catch (thrown) {
      if (signal.aborted) return;
      const reason = explain(asError(thrown));
      if (reason !== complained) logger.warn({ reason }, 'cannot merge pushes; they stay in the log');
      complained = reason;
      await sleep(pause.next(), signal);
    }
  }
}

/** Until none is left; returns how many there were. Throws what Redis answered; then some may be left. */
async function mergeAll(context: LaneContext, shard: number, attempts: Map<number, number>): Promise<number> {
  const { commands, store, batchSize, signal } = context;
  let left;
  let merged = 0;
  do {
    const failed = attempts.get(shard) ?? 0;
    try {
      // Alone, the one that makes the script fail is found.
      const result = await store.merge(commands, shard, { pushes: failed > 0 ? 1 : batchSize, bytes: MERGE_BYTES });
      attempts.delete(shard);
      left = result.left;
      merged += result.settled.length;
      report(context, shard, result.settled, result.reasons);
    } catch (thrown) {
      await judge(context, shard, attempts, asError(thrown));
      throw thrown;
    }
  } while (left > 0 && !signal.aborted);
  return merged;
}

/** A failure of the script itself counts as the push's; that of Redis does not, nor that of keys which others wrote, or of rights. */
async function judge(
  { commands, store, telemetry, logger, maxAttempts }: LaneContext,
  shard: number,
  attempts: Map<number, number>,
  error: Error,
): Promise<void> {
  if (classify(error) !== 'broken' || !error.message.includes('@user_script') || NO_RIGHT.test(error.message)) return;
  const failed = (attempts.get(shard) ?? 0) + 1;
  attempts.set(shard, failed);
  if (failed < maxAttempts) return;
  const reason = `its merge failed ${failed} times: ${error.message}`;
  const entry = await store.bury(commands, shard, reason, failed);
  attempts.delete(shard);
  if (entry === '') return;
  telemetry.settled('dead-lettered', 0);
  logger.error({ shard, entry, reason }, 'push moved to the dead letters');
}

function report(
  { telemetry, logger }: LaneContext,
  shard: number,
  settled: Awaited<ReturnType<GroupStore['merge']>>['settled'],
  reasons: readonly string[],
): void {
  const now = Date.now();
  for (const { outcome, appendedMs } of settled) telemetry.settled(outcome, (now - appendedMs) / 1000);
  for (const one of reasons) {
    const space = one.indexOf(' ');
    const fields = { shard, entry: one.slice(0, space), reason: one.slice(space + 1) };
    logger.error(fields, 'push moved to the dead letters');
  }
}
