/**
 * Sends appends to a server, followed by one barrier for all of them. A barrier may take long and blocks the
 * connection, so the queues of a Cluster that append to the same master share it:
 *
 *     idle ──exec──▶ sending ──replies──▶ idle, or sending again what was queued meanwhile
 */
import type { Redis } from 'ioredis';
import type { Barrier } from '../connection/durability.ts';

export type Append = readonly [key: string, fields: readonly (string | number | Buffer)[]];
export type Reply = readonly [error: Error | null, reply: unknown];

export interface Replies {
  /** The stream ID, or an error. */
  readonly appends: readonly Reply[];
  /** One for each command of the barrier. */
  readonly barrier: readonly Reply[];
}

export const NO_REPLY: Reply = [new Error('no reply'), null];

interface Request {
  readonly appends: readonly Append[];
  /** Commands to send before each append. */
  readonly before: readonly string[];
  readonly resolve: (replies: Replies) => void;
}

export class AppendPipeline {
  readonly #barrier: Barrier | undefined;
  /** By connection that is sending: the requests that wait for its replies. */
  readonly #waiting = new WeakMap<Redis, Request[]>();

  constructor(barrier: Barrier | undefined) {
    this.#barrier = barrier;
  }

  /** Never rejects. */
  async exec(node: Redis, appends: readonly Append[], before: readonly string[]): Promise<Replies> {
    return await new Promise((resolve) => {
      const request = { appends, before, resolve };
      const waiting = this.#waiting.get(node);
      // Without a barrier the connection is not blocked.
      if (this.#barrier === undefined) void this.#send(node, [request]);
      else if (waiting !== undefined) waiting.push(request);
      else void this.#drain(node, [request]);
    });
  }

  async #drain(node: Redis, first: Request[]): Promise<void> {
    for (let requests = first; requests.length > 0;) {
      const next: Request[] = [];
      this.#waiting.set(node, next);
      await this.#send(node, requests);
      requests = next;
    }
    this.#waiting.delete(node);
  }

  async #send(node: Redis, requests: readonly Request[]): Promise<void> {
    const pipeline = node.pipeline();
    for (const { appends, before } of requests) {
      for (const [key, fields] of appends) {
        for (const command of before) pipeline.call(command);
        pipeline.xadd(key, '*', ...fields);
      }
    }
    const commands = this.#barrier?.commands ?? [];
    for (const [command, ...args] of commands) pipeline.call(command, ...args);
    // An error of the pipeline is also the error of each of its commands.
    const replies = (await pipeline.exec().catch(() => null)) ?? [];
    const barrier = commands.map((_, i) => replies[replies.length - commands.length + i] ?? NO_REPLY);
    let at = 0;
    for (const { appends, before, resolve } of requests) {
      const own = appends.map(() => replies[(at += before.length + 1) - 1] ?? NO_REPLY);
      resolve({ appends: own, barrier });
    }
  }
}
