/** Runs the Lua scripts: by their hash, or by their text on a server that does not know them (restart, failover, SCRIPT FLUSH). */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { asError } from '../../errors.ts';
import type { RedisClient } from '../connection/client.ts';

type ScriptArgument = string | number | Buffer;

export class Script {
  readonly #lua: string;
  readonly #sha: string;

  constructor(file: 'merge' | 'families' | 'sweep' | 'bury' | 'backlog' | 'replay') {
    this.#lua = readFileSync(new URL(`./${file}.lua`, import.meta.url), 'utf8');
    this.#sha = createHash('sha1').update(this.#lua).digest('hex');
  }

  async run(client: RedisClient, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    return await this.#run(async (command, list) => await client.call(command, list), keys, args);
  }

  /** As `run`, with the strings of the reply as buffers. */
  async runBuffer(client: RedisClient, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    return await this.#run(async (command, list) => await client.callBuffer(command, list), keys, args);
  }

  async #run(
    call: (command: string, list: ScriptArgument[]) => Promise<unknown>,
    keys: readonly string[],
    args: readonly ScriptArgument[],
  ): Promise<unknown> {
    // As one list: too many arguments would not fit on the stack.
    const list = [keys.length, ...keys, ...args];
    try {
      return await call('EVALSHA', [this.#sha, ...list]);
    } catch (thrown) {
      if (!asError(thrown).message.startsWith('NOSCRIPT')) throw thrown;
      return await call('EVAL', [this.#lua, ...list]);
    }
  }
}
