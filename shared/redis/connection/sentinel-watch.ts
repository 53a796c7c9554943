/**
 * Keeps connections off a master that the Sentinels have replaced.
 *
 * A client asks one Sentinel for the master when it connects. Just after a failover another Sentinel may still name the
 * old one, and that one, if it is back already, takes itself for a master for some ten seconds, until the Sentinels
 * demote it. A reader there would see nothing new, and a push would be written where it cannot stay. So all Sentinels
 * are asked each second: the answer with the highest configuration epoch is the newest.
 */
import { isIP, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { sleep } from '../../async/sleep.ts';
import { fieldsOf } from '../reply.ts';
import type { ServerOptions } from './client.ts';
import type { HostAndPort } from './open-client.ts';

const POLL_INTERVAL_MS = 1_000;

export class SentinelWatch {
  readonly #masterName: string;
  readonly #abort = new AbortController();
  readonly #clients: readonly Redis[];

  /** `onMaster` is called after each poll with the master that the newest answer names. */
  constructor(
    sentinels: readonly HostAndPort[],
    masterName: string,
    options: ServerOptions,
    onMaster: (master: HostAndPort) => void,
  ) {
    this.#masterName = masterName;
    this.#clients = sentinels.map((sentinel) => {
      const client = new Redis({ ...options, ...sentinel, commandTimeout: POLL_INTERVAL_MS });
      client.on('error', () => undefined);
      return client;
    });
    void this.#run(onMaster);
  }

  destroy(): void {
    this.#abort.abort();
    for (const client of this.#clients) client.disconnect();
  }

  async #run(onMaster: (master: HostAndPort) => void): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const master = await this.#poll();
      if (master !== undefined && !signal.aborted) onMaster(master);
      await sleep(POLL_INTERVAL_MS, signal);
    }
  }

  /** Undefined when no Sentinel answers. */
  async #poll(): Promise<HostAndPort | undefined> {
    const replies = this.#clients.map(async (client) => client.call('SENTINEL', 'MASTER', this.#masterName));
    let newest: (HostAndPort & { epoch: number }) | undefined;
    for (const reply of await Promise.allSettled(replies)) {
      if (reply.status === 'rejected' || !Array.isArray(reply.value)) continue;
      const fields = fieldsOf(reply.value.map(String));
      const epoch = Number(fields.get('config-epoch'));
      if (newest !== undefined && newest.epoch >= epoch) continue;
      newest = { host: String(fields.get('ip')), port: Number(fields.get('port')), epoch };
    }
    return newest;
  }
}

/** A Sentinel may give the master's name instead of its address: then only the ports are compared. */
export function isConnectedTo(stream: Pick<Socket, 'remoteAddress' | 'remotePort'>, master: HostAndPort): boolean {
  const { remoteAddress, remotePort } = stream;
  if (remoteAddress === undefined) return true;
  if (remotePort !== master.port) return false;
  return isIP(master.host) === 0 || remoteAddress.replace(/^::ffff:/i, '') === master.host;
}
