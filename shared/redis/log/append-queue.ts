/**
 * One lane of the log: pushes that arrive while an append is on its way are appended together, one pipeline at a time, so that
 * the round trip is shared and pushes of one shard keep their order.
 *
 *     queued ──flush──▶ sent ──reply, and the barrier's──▶ settled
 *        ▲               │
 *        ├── refused ────┤  not carried out: again, as it is
 *        └── in doubt ───┘  perhaps carried out, or not durable yet: again, marked, so that the merge drops a second one
 *
 * The mark is the newest change that was known of the shard before the push was first sent: had it been merged since, the changes
 * after that one would say so (merge.lua). Changes are compared with changes only, so no clock has to be right.
 *
 * While the barrier falls short (a failover, after which replicas have yet to find their new master, or are still missing) one push
 * at a time tries whether it is enough again; the others wait where they are. A shortage that outlasts the time for which pushes
 * are held will not pass: from then on each is told at once.
 *
 * A push that is past its deadline is settled as unavailable; if it may have been stored, the error says so.
 */
import { GatewayError } from '../../errors.ts';
import { backoff } from '../../async/backoff.ts';
import { sleep } from '../../async/sleep.ts';
import { NO_REPLY, type Append, type AppendFlush, type Replies } from './append-pipeline.ts';
import type { RedisClient } from '../connection/connections.ts';
import type { Barrier, Shortfall } from '../connection/durability.ts';
import type { Keyspace } from '../keys.ts';
import { askedFrom, learnFrom, ownerOf } from '../connection/cluster-routing.ts';
import type { PushEntry } from '../../records/push-record.ts';
import { classify } from '../connection/error-classes.ts';

const FLUSH_MAX_PUSHES = 512;
/** A barrier may take long (a second, for a file that is synced each second): it is to be shared by all who wait for it. */
const BARRIER_MAX_PUSHES = 4_096;
const FLUSH_MAX_BYTES = 8 * 1024 * 1024;

export interface Waiting {
  readonly shard: number;
  readonly entry: PushEntry;
  readonly deadlineMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  /** The newest change known before it was first sent; undefined until then. */
  mark: string | undefined;
  /** It may have been stored. */
  inDoubt: boolean;
  settled: boolean;
}

export interface LaneContext {
  readonly client: RedisClient;
  readonly keyspace: Keyspace;
  readonly flush: AppendFlush;
  readonly barrier: Barrier | undefined;
  /** So long a shortfall of the barrier may take. */
  readonly patienceMs: number;
  /** The newest change known of a shard, a stream ID; undefined if nothing is known yet. */
  readonly newestChange: (shard: number) => string | undefined;
  readonly signal: AbortSignal;
}

const NO_OWNER = new Error('no owner is known, and enableOfflineQueue options is false');

export class AppendLane {
  readonly #context: LaneContext;
  #queue: Waiting[] = [];
  #sent: Waiting[] = [];
  #running = false;
  #short: { readonly sinceMs: number; readonly reason: string } | undefined;

  constructor(context: LaneContext) {
    this.#context = context;
  }

  add(waiting: Waiting): void {
    this.#queue.push(waiting);
    if (this.#running) return;
    this.#running = true;
    // The rest of this tick's pushes go along.
    setImmediate(() => void this.#run());
  }

  expire(now: number): void {
    const reason = this.#isPatient ? this.#short?.reason : undefined;
    this.#queue = this.#queue.filter((waiting) => !expire(waiting, now, { reason }));
    for (const waiting of this.#sent) expire(waiting, now, { reason, isUnderWay: true });
  }

  refuseAll(error: Error): void {
    for (const waiting of [...this.#sent, ...this.#queue]) settle(waiting, error);
    this.#queue = [];
  }

  async #run(): Promise<void> {
    const { signal } = this.#context;
    const pause = backoff({ minMs: 10, maxMs: 500 });
    while (this.#queue.length > 0 && !signal.aborted) {
      const again = await this.#flush();
      if (again.length === 0) {
        pause.reset();
        continue;
      }
      this.#queue = [...again, ...this.#queue];
      await sleep(pause.next(), signal);
    }
    this.#running = false;
  }

  /** Returns, in order, what has to be appended again. */
  async #flush(): Promise<Waiting[]> {
    const batch = this.#take();
    this.#sent = batch;
    const { appends, barrier } = await this.#send(batch);
    this.#sent = [];
    const [barrierError] = barrier.find(([error]) => error !== null) ?? [null];
    const shortfall = barrierError === null ? this.#shortfall(barrier.map(([, reply]) => reply)) : undefined;
    return batch.filter((waiting, i) => {
      const [error] = appends[i] ?? NO_REPLY;
      if (error !== null) return this.#failed(waiting, error);
      if (barrierError !== null) return this.#unconfirmed(waiting, barrierError);
      if (shortfall?.mayPass === true) return doubt(waiting);
      settle(waiting, shortfall && notDurable(shortfall.reason));
      return false;
    });
  }

  async #send(batch: readonly Waiting[]): Promise<Replies> {
    const { client, flush } = this.#context;
    try {
      for (const waiting of batch) waiting.mark ??= await this.#newestChange(waiting.shard);
    } catch {
      return refusal(batch);
    }
    // All of a lane is in one place.
    const owner = ownerOf(client, this.#key(batch[0]?.shard ?? 0));
    if (owner === undefined) return refusal(batch);
    const commands = batch.map(({ shard, entry }): Append => [this.#key(shard), entry.fields]);
    const replies = await flush.exec(owner, commands, []);
    const errors = replies.appends.map(([error]) => error);
    for (const error of errors) if (error !== null) learnFrom(client, error);
    const asked = errors.includes(null) ? undefined : askedFrom(client, errors[0]);
    return asked === undefined ? replies : await flush.exec(asked, commands, ['ASKING']);
  }

  /** Whether the push has to be appended again. */
  #failed(waiting: Waiting, error: Error): boolean {
    switch (classify(error)) {
      case 'unknown':
        return doubt(waiting);
      case 'refused':
        return !waiting.settled;
      case 'full':
        settle(waiting, new GatewayError('redis_full', 'Redis is out of memory (maxmemory)', { cause: error }));
        return false;
      case 'broken':
        settle(
          waiting,
          new GatewayError('redis_unavailable', `cannot append push: ${error.message}`, { cause: error }),
        );
        return false;
      default:
        return false;
    }
  }

  /** It was appended, but the barrier failed. Whether the push has to be appended again. */
  #unconfirmed(waiting: Waiting, error: Error): boolean {
    // The master may have become a replica in between: then the push may not be there any more.
    if (classify(error) !== 'broken' || error.message.includes('replica')) return doubt(waiting);
    settle(waiting, notDurable(`Redis does not confirm it (${error.message})`));
    return false;
  }

  #shortfall(replies: readonly unknown[]): Shortfall | undefined {
    const shortfall = this.#context.barrier?.shortfall(replies);
    if (shortfall?.mayPass !== true) {
      this.#short = undefined;
      return shortfall;
    }
    const { reason } = shortfall;
    this.#short = { sinceMs: this.#short?.sinceMs ?? performance.now(), reason };
    return { reason, mayPass: this.#isPatient };
  }

  /** The barrier falls short, and may yet be enough. */
  get #isPatient(): boolean {
    return this.#short !== undefined && performance.now() - this.#short.sinceMs < this.#context.patienceMs;
  }

  async #newestChange(shard: number): Promise<string> {
    const { client, keyspace, newestChange } = this.#context;
    const known = newestChange(shard);
    if (known !== undefined) return known;
    const [newest] = await client.xrevrange(keyspace.shards[shard]?.changes ?? '', '+', '-', 'COUNT', 1);
    return newest?.[0] ?? '0-0';
  }

  #key(shard: number): string {
    return this.#context.keyspace.shards[shard]?.pushes ?? '';
  }

  #take(): Waiting[] {
    const most = this.#isPatient ? 1 : this.#context.barrier === undefined ? FLUSH_MAX_PUSHES : BARRIER_MAX_PUSHES;
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < most && bytes < FLUSH_MAX_BYTES) {
      bytes += this.#queue[count]?.entry.bytes ?? 0;
      count++;
    }
    return this.#queue.splice(0, count);
  }
}

/** Nothing was sent. */
function refusal(batch: readonly Waiting[]): Replies {
  return { appends: batch.map(() => [NO_OWNER, null]), barrier: [] };
}

/** Whether the push has to be appended again. */
function doubt(waiting: Waiting): boolean {
  waiting.inDoubt = true;
  waiting.entry.mark(waiting.mark ?? '0-0');
  return !waiting.settled;
}

function notDurable(reason: string): GatewayError {
  const fate = 'Redis has the push, but it may not survive a failover or a crash: push again';
  return new GatewayError('not_durable', `indeterminate: ${reason} (--push.durability); ${fate}`);
}

interface Circumstances {
  /** In what the barrier falls short. */
  readonly reason?: string | undefined;
  readonly isUnderWay?: boolean;
}

/** Whether it is settled. */
export function expire(waiting: Waiting, now: number, { reason, isUnderWay = false }: Circumstances = {}): boolean {
  if (now < waiting.deadlineMs) return waiting.settled;
  const isUnknown = waiting.inDoubt || isUnderWay;
  if (isUnknown && reason !== undefined) {
    settle(waiting, notDurable(reason));
    return true;
  }
  const why = reason === undefined ? 'Redis did not take the push in time' : `of the pushes before it, ${reason}`;
  const fate = isUnknown ? 'indeterminate: it is not known whether the push was stored' : 'nothing was stored';
  settle(waiting, new GatewayError('redis_unavailable', `${why}; ${fate}`));
  return true;
}

export function settle(waiting: Waiting, error?: Error): void {
  if (waiting.settled) return;
  waiting.settled = true;
  if (error === undefined) waiting.resolve();
  else waiting.reject(error);
}
