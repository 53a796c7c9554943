/**
 * The merge loop of shards that are on one server: waits until a log has pushes, and has merge.lua merge them until
 * none are left.
 *
 *     waiting ──pushes──▶ merging, shard by shard ──none left──▶ waiting
 *                            │ Redis is away      ──▶ again after a pause, without limit
 *                            └ the script fails   ──▶ again with a single push, which after `maxAttempts` becomes a
 *                                                     dead letter
 */
import { asError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import { backoff } from '../../shared/async/backoff.ts';
import { sleep } from '../../shared/async/sleep.ts';
import { CONNECT_TIMEOUT_MS, ready, type RedisClient } from '../../shared/redis/connection/client.ts';
import type { GroupStore } from '../../shared/redis/groups/group-store.ts';
import type { LogPoller } from '../../shared/redis/log/log-poller.ts';
import { explain } from '../../shared/redis/connection/connection-errors.ts';
import { isScriptFailure } from '../../shared/redis/connection/error-classes.ts';
import type { WorkerTelemetry } from './telemetry.ts';

/** Bytes of pushes for one script call: bounds how long the script blocks Redis. */
const BATCH_MAX_BYTES = 256 * 1024;
/** Shortest round: pushes that arrive within it are merged together. A single push finds the loop waiting. */
const ROUND_MS = 4;
/** A worker that finds its shards already drained by another one doubles its round, up to this. */
const STANDBY_ROUND_MS = 32;

export interface MergeContext {
  readonly commands: RedisClient;
  readonly store: GroupStore;
  readonly telemetry: WorkerTelemetry;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly batchSize: number;
  readonly maxAttempts: number;
}

/** Runs until the signal is aborted and the merges in progress have ended. Never rejects. */
export async function runMergeLoop(context: MergeContext, poller: LogPoller, blocking: RedisClient): Promise<void> {
  const { logger, signal } = context;
  const pause = backoff({ minMs: 20, maxMs: 1_000 });
  const attempts = new Map<number, number>();
  let loggedReason = '';
  let roundMs = ROUND_MS;
  await ready(blocking, CONNECT_TIMEOUT_MS, signal);
  while (!signal.aborted) {
    const startedMs = performance.now();
    try {
      const shards = await poller.poll(blocking);
      if (signal.aborted) return;
      const results = await Promise.allSettled(shards.map((shard) => mergeAll(context, shard, attempts)));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      pause.reset();
      loggedReason = '';
      const isDrained = results.every((result) => result.status === 'fulfilled' && result.value === 0);
      roundMs = isDrained ? Math.min(2 * roundMs, STANDBY_ROUND_MS) : ROUND_MS;
      const leftMs = roundMs - (performance.now() - startedMs);
      if (shards.length > 0 && leftMs > 0) await sleep(leftMs, signal);
    } catch (thrown) {
      if (signal.aborted) return;
      const reason = explain(asError(thrown));
      if (reason !== loggedReason) logger.warn({ reason }, 'cannot merge pushes; they stay in the log');
      loggedReason = reason;
      await sleep(pause.next(), signal);
    }
  }
}

/** Merges until the log is empty; returns the number of pushes. Throws the error of Redis; then pushes may be left. */
async function mergeAll(context: MergeContext, shard: number, attempts: Map<number, number>): Promise<number> {
  const { commands, store, batchSize, signal, telemetry, logger } = context;
  let left;
  let merged = 0;
  do {
    // After a failure one at a time, to find the push that makes the script fail.
    const most = { pushes: attempts.has(shard) ? 1 : batchSize, bytes: BATCH_MAX_BYTES };
    try {
      const { pushes, deadLetters, left: more } = await store.merge(commands, shard, most);
      attempts.delete(shard);
      left = more;
      merged += pushes.length;
      const now = Date.now();
      for (const { outcome, appendedMs } of pushes) telemetry.merged(outcome, (now - appendedMs) / 1000);
      for (const deadLetter of deadLetters) logger.error({ shard, ...deadLetter }, 'push moved to the dead letters');
    } catch (thrown) {
      if (isScriptFailure(asError(thrown))) await countFailure(context, shard, attempts, asError(thrown));
      throw thrown;
    }
  } while (left > 0 && !signal.aborted);
  return merged;
}

async function countFailure(context: MergeContext, shard: number, attempts: Map<number, number>, error: Error) {
  const { commands, store, telemetry, logger, maxAttempts } = context;
  const failed = (attempts.get(shard) ?? 0) + 1;
  attempts.set(shard, failed);
  if (failed < maxAttempts) return;
  const reason = `its merge failed ${failed} times: ${error.message}`;
  const entry = await store.bury(commands, shard, reason, failed);
  attempts.delete(shard);
  if (entry === '') return;
  telemetry.merged('dead-lettered', 0);
  logger.error({ shard, entry, reason }, 'push moved to the dead letters');
}
