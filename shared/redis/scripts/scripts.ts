/** Runs the Lua scripts by their hash, or by their text on a server that does not know them (restart, failover). */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { asError } from '../../errors.ts';
import type { RedisClient } from '../connection/client.ts';

export class Script {
  readonly #lua: string;
  readonly #sha: string;

  constructor(file: 'merge' | 'families' | 'sweep' | 'bury' | 'backlog' | 'replay') {
    this.#lua = readFileSync(new URL(`./${file}.lua`, import.meta.url), 'utf8');
    this.#sha = createHash('sha1').update(this.#lua).digest('hex');
  }

  /** With `callBuffer`, strings of the reply are buffers. */
  async run(
    client: RedisClient,
    keys: readonly string[],
    args: readonly (string | number)[],
    call: 'call' | 'callBuffer' = 'call',
  ): Promise<unknown> {
    // As one list: too many arguments would not fit on the stack.
    const list = [keys.length, ...keys, ...args];
    try {
      return await client[call]('EVALSHA', [this.#sha, ...list]);
    } catch (thrown) {
      if (!asError(thrown).message.startsWith('NOSCRIPT')) throw thrown;
      return await client[call]('EVAL', [this.#lua, ...list]);
    }
  }
}
