/**
 * Keeps connections off a master that the Sentinels have replaced.
 *
 * A client asks one Sentinel for the master when it connects. For a moment after a failover, another Sentinel may still name the
 * old one; if that is back already, it believes to be a master for some ten seconds, until the Sentinels demote it. A reader
 * there would see nothing new, a push would be written where it cannot stay. So all Sentinels are asked, each second: the
 * answer with the highest configuration epoch is the newest, and a connection to another address is to be left.
 */
import { isIP, type Socket } from 'node:net';
import { Redis, type RedisOptions } from 'ioredis';
import { sleep } from '../../async/sleep.ts';

const ASK_MS = 1_000;

export interface MasterAddress {
  readonly host: string;
  readonly port: number;
}

export interface MasterWatchContext {
  readonly sentinels: readonly MasterAddress[];
  readonly masterName: string;
  /** Of a connection to one Sentinel. */
  readonly options: RedisOptions & { replyMapping: 'legacy' };
  /** Called with every answer. */
  readonly onMaster: (master: MasterAddress) => void;
}

export class MasterWatch {
  readonly #context: MasterWatchContext;
  readonly #abort = new AbortController();
  readonly #clients: readonly Redis[];

  constructor(context: MasterWatchContext) {
    this.#context = context;
    this.#clients = context.sentinels.map(({ host, port }) => {
      const client = new Redis({ ...context.options, commandTimeout: ASK_MS, host, port });
      client.on('error', () => undefined);
      return client;
    });
    void this.#run();
  }

  destroy(): void {
    this.#abort.abort();
    for (const client of this.#clients) client.disconnect();
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const master = await this.#ask();
      if (master !== undefined && !signal.aborted) this.#context.onMaster(master);
      await sleep(ASK_MS, signal);
    }
  }

  /** What the Sentinel with the newest configuration says; undefined when none answers. */
  async #ask(): Promise<MasterAddress | undefined> {
    const asked = this.#clients.map(async (client) => client.call('SENTINEL', 'MASTER', this.#context.masterName));
    let newest: (MasterAddress & { epoch: number }) | undefined;
    for (const reply of await Promise.allSettled(asked)) {
      if (reply.status === 'rejected' || !Array.isArray(reply.value)) continue;
      const fields = new Map<unknown, unknown>();
      for (let i = 0; i + 1 < reply.value.length; i += 2) fields.set(reply.value[i], reply.value[i + 1]);
      const epoch = Number(fields.get('config-epoch'));
      if (newest !== undefined && newest.epoch >= epoch) continue;
      newest = { host: String(fields.get('ip')), port: Number(fields.get('port')), epoch };
    }
    return newest;
  }
}

/** A Sentinel may know the master by a name; then the port has to do. */
export function isConnectedTo(stream: Pick<Socket, 'remoteAddress' | 'remotePort'>, master: MasterAddress): boolean {
  const { remoteAddress, remotePort } = stream;
  if (remoteAddress === undefined) return true;
  if (remotePort !== master.port) return false;
  return isIP(master.host) === 0 || remoteAddress.replace(/^::ffff:/i, '') === master.host;
}
