/**
 * The Lua scripts, called by their hash; a server that has forgotten them (restart, failover, SCRIPT FLUSH) gets the text.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { asError } from '../errors.ts';
import type { RedisClient } from './connections.ts';

export type ScriptArgument = string | number | Buffer;

export class Script {
  readonly #lua: string;
  readonly #sha: string;

  constructor(file: 'merge' | 'sweep' | 'bury' | 'drop-consumer' | 'backlog' | 'replay') {
    this.#lua = readFileSync(new URL(`./scripts/${file}.lua`, import.meta.url), 'utf8');
    this.#sha = createHash('sha1').update(this.#lua).digest('hex');
  }

  async run(client: RedisClient, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    try {
      return await client.evalsha(this.#sha, keys.length, ...keys, ...args);
    } catch (thrown) {
      if (!asError(thrown).message.startsWith('NOSCRIPT')) throw thrown;
      return await client.eval(this.#lua, keys.length, ...keys, ...args);
    }
  }
}
