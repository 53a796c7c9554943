/**
 * Appends on their way to a server, and the barrier behind them: one for all, as it may take long and keeps everything that comes
 * after it on the connection waiting. So the lanes of a Cluster that go to the same master share what they send:
 *
 *     idle ──append──▶ under way ──replies──▶ idle, or again with what has come meanwhile
 */
import type { Redis } from 'ioredis';
import type { Barrier } from '../connection/durability.ts';

export type Append = readonly [key: string, fields: readonly (string | number | Buffer)[]];
export type Reply = readonly [error: Error | null, reply: unknown];

export interface Replies {
  /** The stream ID, or why not. */
  readonly appends: readonly Reply[];
  /** Of each command of the barrier. */
  readonly barrier: readonly Reply[];
}

export const NO_REPLY: Reply = [new Error('no reply'), null];

interface Request {
  readonly appends: readonly Append[];
  /** A command before each append. */
  readonly before: readonly string[];
  readonly resolve: (replies: Replies) => void;
}

export class AppendFlush {
  readonly #barrier: Barrier | undefined;
  /** Requests that wait for the one under way, by connection. */
  readonly #waiting = new WeakMap<Redis, Request[]>();

  constructor(barrier: Barrier | undefined) {
    this.#barrier = barrier;
  }

  /** Never rejects. */
  async exec(node: Redis, appends: readonly Append[], before: readonly string[]): Promise<Replies> {
    return await new Promise((resolve) => {
      const request = { appends, before, resolve };
      const waiting = this.#waiting.get(node);
      // Without a barrier nothing is kept waiting.
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
    // What broke it is told by each command's own error.
    const replies = (await pipeline.exec().catch(() => null)) ?? [];
    const barrier = commands.map((_, i) => replies[replies.length - commands.length + i] ?? NO_REPLY);
    let at = 0;
    for (const { appends, before, resolve } of requests) {
      const own = appends.map(() => replies[(at += before.length + 1) - 1] ?? NO_REPLY);
      resolve({ appends: own, barrier });
    }
  }
}
