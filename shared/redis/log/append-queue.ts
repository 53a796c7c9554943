/**
 * The append queue of shards that are on one server. Pushes that arrive while a pipeline is sent go together into the
 * next one: they share its round trip, and pushes of one shard keep their order.
 *
 *     queued ──send──▶ sent ──replies of append and barrier──▶ answered
 *        ▲              │
 *        ├── refused ───┤  not executed: sent again as it is
 *        └── in doubt ──┘  perhaps executed, or not durable yet: resent with `since`, to be merged only once
 *
 * `since` is the newest change of the shard that was known before the push was first sent: if the push was merged, a
 * later change names it (merge.lua). Changes are compared with changes only, so no clock has to be right.
 *
 * While the barrier falls short (replicas that have not found their new master, or are missing), one push at a time
 * tests whether it is met again; the others wait in the queue. A shortfall that outlasts `patienceMs` is taken for
 * permanent: from then on each push is answered with it at once.
 *
 * A push that is past its deadline is answered as unavailable; if it may have been stored, the error says so.
 */
import { GatewayError } from '../../errors.ts';
import { backoff } from '../../async/backoff.ts';
import { sleep } from '../../async/sleep.ts';
import { NO_REPLY, type Append, type AppendPipeline, type Replies, type Reply } from './append-pipeline.ts';
import type { RedisClient } from '../connection/client.ts';
import type { Barrier, Shortfall } from '../connection/durability.ts';
import type { Keyspace } from '../keys.ts';
import { redirectTarget, refreshIfMoved, masterOf } from '../connection/cluster-routing.ts';
import type { PushEntry } from '../../records/push-record.ts';
import { classify, NotSentError } from '../connection/error-classes.ts';

const BATCH_MAX_PUSHES = 512;
/** With a barrier, which may take a second (an append-only file that is synced each second): pushes share it. */
const BARRIER_BATCH_MAX_PUSHES = 4_096;
const BATCH_MAX_BYTES = 8 * 1024 * 1024;

interface QueuedPush {
  readonly shard: number;
  readonly entry: PushEntry;
  readonly deadlineMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  /** Newest change known before it was first sent; undefined until then. */
  resentSince: string | undefined;
  /** It may have been stored. */
  inDoubt: boolean;
  /** Resolved or rejected. */
  answered: boolean;
}

interface AppendContext {
  readonly client: RedisClient;
  readonly keyspace: Keyspace;
  readonly pipeline: AppendPipeline;
  readonly barrier: Barrier | undefined;
  /** How long a shortfall of the barrier is taken for temporary. */
  readonly patienceMs: number;
  /** Stream ID of the newest known change of a shard; undefined if nothing is known yet. */
  readonly newestChange: (shard: number) => string | undefined;
  readonly signal: AbortSignal;
}

const NO_MASTER: Reply = [new NotSentError('no master of the shard is known'), null];

export class AppendQueue {
  readonly #context: AppendContext;
  #queue: QueuedPush[] = [];
  #sent: QueuedPush[] = [];
  #running = false;
  #short: { readonly sinceMs: number; readonly reason: string } | undefined;

  constructor(context: AppendContext) {
    this.#context = context;
  }

  add(push: QueuedPush): void {
    this.#queue.push(push);
    if (this.#running) return;
    this.#running = true;
    // Pushes that arrive in this tick share the first pipeline.
    setImmediate(() => void this.#run());
  }

  expire(now: number): void {
    const reason = this.#isPatient ? this.#short?.reason : undefined;
    this.#queue = this.#queue.filter((push) => !expire(push, now, reason, false));
    for (const push of this.#sent) expire(push, now, reason, true);
  }

  refuseAll(error: Error): void {
    for (const push of [...this.#sent, ...this.#queue]) answer(push, error);
    this.#queue = [];
  }

  async #run(): Promise<void> {
    const { signal } = this.#context;
    const pause = backoff({ minMs: 10, maxMs: 500 });
    while (this.#queue.length > 0 && !signal.aborted) {
      const again = await this.#sendBatch();
      if (again.length === 0) {
        pause.reset();
        continue;
      }
      this.#queue = [...again, ...this.#queue];
      await sleep(pause.next(), signal);
    }
    this.#running = false;
  }

  /** Returns, in order, the pushes to be appended again. */
  async #sendBatch(): Promise<QueuedPush[]> {
    const batch = this.#take();
    this.#sent = batch;
    const { appends, barrier } = await this.#send(batch);
    this.#sent = [];
    const [barrierError] = barrier.find(([error]) => error !== null) ?? [null];
    const shortfall = barrierError === null ? this.#shortfall(barrier.map(([, reply]) => reply)) : undefined;
    return batch.filter((push, i) => {
      const [error] = appends[i] ?? NO_REPLY;
      if (error !== null) return this.#failed(push, error);
      if (barrierError !== null) return this.#unconfirmed(push, barrierError);
      if (shortfall?.mayPass === true) return doubt(push);
      answer(push, shortfall && notDurable(shortfall.reason));
      return false;
    });
  }

  async #send(batch: readonly QueuedPush[]): Promise<Replies> {
    const { client, pipeline, keyspace } = this.#context;
    try {
      for (const push of batch) push.resentSince ??= await this.#newestChange(push.shard);
    } catch {
      return notSentTo(batch);
    }
    // All shards of the queue are on one server.
    const master = masterOf(client, keyspace.keysOf(batch[0]?.shard ?? 0).pushes);
    if (master === undefined) return notSentTo(batch);
    const commands = batch.map(({ shard, entry }): Append => [keyspace.keysOf(shard).pushes, entry.fields]);
    const replies = await pipeline.exec(master, commands, []);
    const errors = replies.appends.map(([error]) => error);
    for (const error of errors) if (error !== null) refreshIfMoved(client, error);
    const target = errors.includes(null) ? undefined : redirectTarget(client, errors[0]);
    return target === undefined ? replies : await pipeline.exec(target, commands, ['ASKING']);
  }

  /** Returns whether the push has to be appended again. */
  #failed(push: QueuedPush, error: Error): boolean {
    const errorClass = classify(error);
    if (errorClass === 'unknown') return doubt(push);
    if (errorClass === 'refused') return !push.answered;
    const [code, message] =
      errorClass === 'full'
        ? (['redis_full', 'Redis is out of memory (maxmemory)'] as const)
        : (['redis_unavailable', `cannot append push: ${error.message}`] as const);
    answer(push, new GatewayError(code, message, { cause: error }));
    return false;
  }

  /** The push was appended, but the barrier failed. Returns whether the push has to be appended again. */
  #unconfirmed(push: QueuedPush, error: Error): boolean {
    // The master may have been demoted in between and lost the push.
    if (classify(error) !== 'broken' || error.message.includes('replica')) return doubt(push);
    answer(push, notDurable(`Redis does not confirm the push (${error.message})`));
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

  /** The barrier falls short, and this is taken for temporary. */
  get #isPatient(): boolean {
    return this.#short !== undefined && performance.now() - this.#short.sinceMs < this.#context.patienceMs;
  }

  async #newestChange(shard: number): Promise<string> {
    const { client, keyspace, newestChange } = this.#context;
    const known = newestChange(shard);
    if (known !== undefined) return known;
    const [newest] = await client.xrevrange(keyspace.keysOf(shard).changes, '+', '-', 'COUNT', 1);
    return newest?.[0] ?? '0-0';
  }

  #take(): QueuedPush[] {
    const most = this.#isPatient
      ? 1
      : this.#context.barrier === undefined
        ? BATCH_MAX_PUSHES
        : BARRIER_BATCH_MAX_PUSHES;
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < most && bytes < BATCH_MAX_BYTES) {
      bytes += this.#queue[count]?.entry.bytes ?? 0;
      count++;
    }
    return this.#queue.splice(0, count);
  }
}

function notSentTo(batch: readonly QueuedPush[]): Replies {
  return { appends: batch.map(() => NO_MASTER), barrier: [] };
}

/** Returns whether the push has to be appended again. */
function doubt(push: QueuedPush): boolean {
  push.inDoubt = true;
  push.entry.markResent(push.resentSince ?? '0-0');
  return !push.answered;
}

function notDurable(reason: string): GatewayError {
  const fate = 'Redis has the push, but it may not survive a failover or a crash: push again';
  return new GatewayError('not_durable', `indeterminate: ${reason} (--push.durability); ${fate}`);
}

/** Answers a push that is past its deadline. `reason`: shortfall of the barrier. Returns whether it is answered. */
function expire(push: QueuedPush, now: number, reason: string | undefined, isSent: boolean): boolean {
  if (now < push.deadlineMs) return push.answered;
  const isUnknown = push.inDoubt || isSent;
  const why =
    reason === undefined ? 'Redis did not take the push in time' : `pushes before it are not durable: ${reason}`;
  const fate = isUnknown ? 'indeterminate: it is not known whether the push was stored' : 'nothing was stored';
  if (isUnknown && reason !== undefined) answer(push, notDurable(reason));
  else answer(push, new GatewayError('redis_unavailable', `${why}; ${fate}`));
  return true;
}

function answer(push: QueuedPush, error?: Error): void {
  if (push.answered) return;
  push.answered = true;
  if (error === undefined) push.resolve();
  else push.reject(error);
}
