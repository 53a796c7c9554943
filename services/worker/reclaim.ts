/**
 * Takes over what dead or frozen workers left pending, one entry at a time (see push-consumer.ts for why).
 */
import type { Delivery, StaleEntry } from '../../shared/redis/push-consumer.ts';
import { attempt, handle, type ConsumeContext } from './consume.ts';

const PAGE = 64;
/** More than a worker has in hand of one shard. */
const OWN_PAGE = 1_024;

/**
 * What is this worker's and not in its hands, whatever its age: an earlier life left it, or its delivery was lost with the
 * connection. Nobody else works on it. Not while a read of the shard is under way.
 */
export async function reclaimOwn(context: ConsumeContext, shard: number): Promise<void> {
  const { commands, consumer, inHand } = context;
  for (;;) {
    const stale = await consumer.stale(commands, shard, 0, OWN_PAGE, consumer.name);
    const lost = stale.filter(({ entryId }) => inHand.get(shard)?.has(entryId) !== true);
    await claimAll(context, shard, lost, 0);
    if (stale.length < OWN_PAGE || lost.length === 0) return;
  }
}

/** Tells the others that what is in hand is not stale. */
export async function renewInHand({ commands, consumer, inHand, logger }: ConsumeContext): Promise<void> {
  const renewals = [...inHand].map(async ([shard, entryIds]) => {
    if (entryIds.size === 0) return;
    await attempt(logger, 'renew pushes in hand', () => consumer.renew(commands, shard, [...entryIds]));
  });
  await Promise.all(renewals);
}

/** What has been pending for longer than `idleMs`, whoever has it. */
export async function reclaimStale(context: ConsumeContext, shards: readonly number[], idleMs: number): Promise<void> {
  const { commands, consumer, logger, signal } = context;
  for (const shard of shards) {
    if (signal.aborted) return;
    const ok = await attempt(logger, 'claim stale pushes', async () => {
      const stale = await consumer.stale(commands, shard, idleMs, PAGE);
      if (stale.length > 0)
        logger.info({ shard, entries: stale.length, from: stale[0]?.consumer }, 'taking over pushes');
      await claimAll(context, shard, stale, idleMs);
    });
    if (!ok) return;
  }
}

async function claimAll(
  context: ConsumeContext,
  shard: number,
  stale: readonly StaleEntry[],
  idleMs: number,
): Promise<void> {
  const { commands, consumer, telemetry } = context;
  for (const entry of stale) {
    const delivery: Delivery | undefined = await consumer.claim(commands, shard, entry, idleMs);
    if (delivery === undefined) continue;
    telemetry.reclaimed();
    await handle(context, [delivery]);
  }
}
