/**
 * One lane of a worker: reads what is new, prepares it in the threads, merges it shard by shard. The next batch is read while
 * the last one is prepared and merged; order does not matter to the merge.
 *
 *     delivered ──prepare──▶ merged and acknowledged
 *         │ fault of the push      ──▶ dead letters, with the reason
 *         │ fault of Redis         ──▶ merged again until it works; the merge is harmless twice
 *         └ the batch kills the thread ──▶ one by one; whoever kills it again stays pending, until it was delivered too often
 */
import type { Logger } from '../../shared/logger.ts';
import { asError } from '../../shared/errors.ts';
import { backoff, sleep } from '../../shared/lifecycle.ts';
import { CONNECT_TIMEOUT_MS, ready, type RedisClient } from '../../shared/redis/connections.ts';
import type { GroupStore, PreparedPush } from '../../shared/redis/group-store.ts';
import type { Delivery, PushConsumer } from '../../shared/redis/push-consumer.ts';
import { decodePush, type LoggedPush } from '../../shared/redis/push-record.ts';
import { classify, retrying } from '../../shared/redis/retry.ts';
import { stampMs, stampOf, type Stamp } from '../../shared/state/stamp.ts';
import type { PreparePool } from './prepare-pool.ts';
import type { WorkerTelemetry } from './telemetry.ts';

const BATCHES_UNDER_WAY = 2;
/** Bodies that are prepared and merged at a time: bounds the memory of a thread, and how long a script keeps Redis busy. */
const PORTION_BYTES = 256 * 1024;

export interface ConsumeContext {
  readonly commands: RedisClient;
  readonly consumer: PushConsumer;
  readonly store: GroupStore;
  readonly pool: PreparePool;
  readonly telemetry: WorkerTelemetry;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly maxDeliveries: number;
  readonly inHand: InHand;
  /** A read failed, and what Redis answered, if anything, is lost. Called before the next one; does not throw. */
  readonly onReadFailed: (shards: readonly number[]) => Promise<void>;
}

/** The entries this worker is working on, by shard: while it lives, nobody is to take them over, however long they take. */
export type InHand = ReadonlyMap<number, Set<string>>;

interface Decoded {
  readonly delivery: Delivery;
  readonly stamp: Stamp;
  readonly push: LoggedPush;
}

/** Reads until the signal is aborted, then waits for what is under way. Never rejects. */
export async function consumeLane(
  context: ConsumeContext,
  blocking: RedisClient,
  shards: readonly number[],
  batchSize: number,
): Promise<void> {
  const { consumer, commands, logger, signal } = context;
  const underWay = new Set<Promise<void>>();
  const pause = backoff({ minMs: 20, maxMs: 1_000 });
  let complained = false;
  await ready(blocking, CONNECT_TIMEOUT_MS, signal);
  while (!signal.aborted) {
    try {
      const deliveries = await consumer.read(blocking, shards, batchSize);
      pause.reset();
      complained = false;
      if (deliveries.length === 0) continue;
      const work = handle(context, deliveries).finally(() => underWay.delete(work));
      underWay.add(work);
      if (underWay.size >= BATCHES_UNDER_WAY) await Promise.race(underWay);
    } catch (thrown) {
      if (signal.aborted) break;
      const error = asError(thrown);
      if (error.message.startsWith('NOGROUP')) {
        // Redis lost its state, or is new: all that is in the stream is still to be done.
        for (const shard of shards) await consumer.createGroup(commands, shard).catch(() => undefined);
      } else if (!complained) {
        complained = true;
        logger.warn({ reason: error.message }, 'cannot read the log');
      }
      await sleep(pause.next(), signal);
      await context.onReadFailed(shards);
    }
  }
  await Promise.all(underWay);
}

/** Sees deliveries through to acknowledgement or the dead letters. Never rejects; what fails stays pending. */
export async function handle(context: ConsumeContext, deliveries: readonly Delivery[]): Promise<void> {
  for (const { shard, entryId } of deliveries) context.inHand.get(shard)?.add(entryId);
  try {
    const decoded: Decoded[] = [];
    for (const delivery of deliveries) {
      if (delivery.deliveries > context.maxDeliveries) {
        await bury(context, delivery, `delivered ${delivery.deliveries - 1} times without success`);
        continue;
      }
      try {
        decoded.push({ delivery, stamp: stampOf(delivery.entryId), push: decodePush(delivery.fields) });
      } catch (thrown) {
        await bury(context, delivery, asError(thrown).message);
      }
    }
    for (const portion of portions(decoded)) await prepareAndMerge(context, portion);
  } catch (thrown) {
    if (!context.signal.aborted)
      context.logger.error({ err: asError(thrown) }, 'cannot apply pushes; they stay pending');
  } finally {
    for (const { shard, entryId } of deliveries) context.inHand.get(shard)?.delete(entryId);
  }
}

function* portions(decoded: readonly Decoded[]): Generator<Decoded[]> {
  let portion: Decoded[] = [];
  let bytes = 0;
  for (const one of decoded) {
    if (portion.length > 0 && bytes + one.push.body.length > PORTION_BYTES) {
      yield portion;
      portion = [];
      bytes = 0;
    }
    portion.push(one);
    bytes += one.push.body.length;
  }
  if (portion.length > 0) yield portion;
}

async function prepareAndMerge(context: ConsumeContext, decoded: readonly Decoded[]): Promise<void> {
  const { pool, logger } = context;
  let results;
  try {
    results = await pool.prepare(decoded);
  } catch (thrown) {
    const [first] = decoded;
    if (decoded.length === 1 && first !== undefined) {
      const { shard, entryId, deliveries } = first.delivery;
      logger.error(
        { err: asError(thrown), shard, entry: entryId, deliveries },
        'a push killed its thread; it stays pending',
      );
      return;
    }
    for (const one of decoded) await prepareAndMerge(context, [one]);
    return;
  }
  const byShard = new Map<number, PreparedPush[]>();
  for (const [i, { delivery, stamp, push }] of decoded.entries()) {
    const result = results[i];
    if (result === undefined) continue;
    if ('fault' in result) {
      await bury(context, delivery, result.fault);
      continue;
    }
    const { entryId, shard } = delivery;
    const prepared = { entryId, stamp, pushId: push.id, since: push.since, operations: result.operations };
    const batch = byShard.get(shard);
    if (batch === undefined) byShard.set(shard, [prepared]);
    else batch.push(prepared);
  }
  await Promise.all([...byShard].map(([shard, batch]) => merge(context, shard, batch)));
}

async function merge(context: ConsumeContext, shard: number, batch: readonly PreparedPush[]): Promise<void> {
  const { commands, store, telemetry, logger, signal } = context;
  const outcomes = await retrying(() => store.merge(commands, shard, batch), signal);
  const now = Date.now();
  for (const [i, { entryId, stamp }] of batch.entries()) {
    const outcome = outcomes[i] ?? 'gone';
    telemetry.settled(outcome, (now - stampMs(stamp)) / 1000);
    if (outcome === 'dead-lettered')
      logger.error({ shard, entry: entryId }, 'push moved to the dead letters: its merge failed');
  }
}

async function bury(context: ConsumeContext, delivery: Delivery, reason: string): Promise<void> {
  const { commands, store, telemetry, logger, signal } = context;
  const { shard, entryId, deliveries } = delivery;
  if (await retrying(() => store.bury(commands, shard, entryId, reason, deliveries), signal)) {
    telemetry.settled('dead-lettered', 0);
    logger.error({ shard, entry: entryId, deliveries, reason }, 'push moved to the dead letters');
  }
}

/** For what only makes sense while Redis is there: reports other faults, returns whether it worked. */
export async function attempt(logger: Logger, what: string, run: () => Promise<void>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (thrown) {
    if (classify(thrown) === 'broken') logger.warn({ err: asError(thrown) }, `cannot ${what}`);
    return false;
  }
}
