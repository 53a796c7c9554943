/**
 * A private redis-server: a child on a Unix socket that nobody else can reach, with an append-only file in the data
 * folder that is synced before a push is acknowledged.
 *
 *     stopped ──start()──▶ starting ──answers──▶ running ──exits──▶ restarting (backoff) ──▶ running …
 *     any ──stop()──▶ stopped
 *
 * A gateway that was killed leaves its server behind. The next one finds it on the socket, shuts it down and starts its
 * own, unless another client is connected: then the data folder is in use.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import type { Logger } from '../../shared/logger.ts';
import { GatewayError } from '../../shared/errors.ts';
import { backoff } from '../../shared/async/backoff.ts';
import { sleep } from '../../shared/async/sleep.ts';
import { DataFolder } from './data-folder.ts';

type State = 'stopped' | 'starting' | 'running' | 'restarting';

const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_INTERVAL_MS = 20;
/** Of the files that Redis makes: nobody else may read them. */
const UMASK = 0o077;

export class EmbeddedRedis {
  /** start() sets its path. */
  readonly endpoint = { kind: 'unix' as const, path: '' };
  readonly #folder: DataFolder;
  readonly #logger: Logger;
  readonly #abort = new AbortController();
  #state: State = 'stopped';
  #child: ChildProcess | undefined;
  #supervising: Promise<void> | undefined;

  constructor(dataDir: string, logger: Logger) {
    this.#folder = new DataFolder(resolve(dataDir), logger);
    this.#logger = logger;
  }

  /** Resolves when the server takes commands, after it has read its append-only file. */
  async start(): Promise<void> {
    this.#state = 'starting';
    this.#folder.open();
    for (const socket of this.#folder.earlierSockets()) await this.#retireOrphan(socket);
    rmSync(this.#folder.socketPath, { force: true });
    this.endpoint.path = this.#folder.socketPath;
    this.#child = this.#spawn();
    await this.#waitUntilReady();
    this.#supervising = this.#supervise();
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#abort.abort();
    await this.#supervising;
    const child = this.#child;
    if (child === undefined) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exitOf(child);
    clearTimeout(timer);
    this.#folder.close();
  }

  get #isStopped(): boolean {
    return this.#state === 'stopped';
  }

  #spawn(): ChildProcess {
    const settings: Record<string, string> = {
      port: '0',
      // In the data folder: the server starts in it.
      unixsocket: 'redis.sock',
      unixsocketperm: '600',
      daemonize: 'no',
      appendonly: 'yes',
      appendfsync: 'always',
      'no-appendfsync-on-rewrite': 'no',
      'aof-load-truncated': 'yes',
      save: '',
      'maxmemory-policy': 'noeviction',
      'notify-keyspace-events': 'Kt',
      logfile: 'redis.log',
      'set-proc-title': 'yes',
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    // In a process group of its own: Ctrl-C goes to the whole group, and the server has to outlive our draining.
    const umask = process.umask(UMASK);
    const cwd = this.#folder.opened;
    const child = spawn('redis-server', args, { cwd, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    process.umask(umask);
    child.on('error', (error) => {
      const isMissing = 'code' in error && error.code === 'ENOENT';
      const hint = 'redis-server is not installed (Debian: apt-get install redis-server; macOS: brew install redis)';
      this.#logger.error({ err: error }, `cannot start the embedded Redis${isMissing ? `: ${hint}` : ''}`);
    });
    child.stderr?.on('data', (chunk: Buffer) =>
      this.#logger.warn({ redis: chunk.toString().trim() }, 'embedded Redis'),
    );
    return child;
  }

  async #waitUntilReady(): Promise<void> {
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < deadlineMs) {
      // While it loads, it answers INFO, but not PING.
      const answer = await this.#ask(this.endpoint.path, async (redis) => {
        await redis.ping();
        return await redis.info('server');
      });
      const pid = this.#child?.pid;
      if (this.#child === undefined || pid === undefined || hasExited(this.#child))
        throw unavailable(`the embedded Redis did not start; see ${join(this.#folder.path, 'redis.log')}`);
      // Only the answer of our child counts.
      if (answer.split('\r\n').includes(`process_id:${pid}`)) return;
      await sleep(POLL_INTERVAL_MS, this.#abort.signal);
    }
    throw unavailable(`the embedded Redis was not ready within ${START_TIMEOUT_MS / 1000} s`);
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#abort;
    const stopped = new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }));
    const pause = backoff({ minMs: 100, maxMs: 5_000 });
    while (this.#child !== undefined && !this.#isStopped) {
      this.#state = 'running';
      const child = this.#child;
      await Promise.race([exitOf(child), stopped]);
      if (this.#isStopped) return;
      this.#state = 'restarting';
      const { exitCode: code, signalCode } = child;
      this.#logger.error({ code, signal: signalCode }, 'the embedded Redis exited; restarting it');
      await sleep(pause.next(), signal);
      if (!this.#isStopped) this.#child = this.#spawn();
    }
  }

  async #retireOrphan(socket: string): Promise<void> {
    const deadlineMs = performance.now() + STOP_TIMEOUT_MS;
    for (;;) {
      const answer = await this.#ask(socket, (redis) => redis.client('LIST') as Promise<string>);
      if (answer === 'nobody') return;
      if (answer !== 'busy') {
        if (answer.trim().split('\n').length > 1) {
          const why = 'another gateway is using it';
          throw new GatewayError('config_invalid', `cannot use data directory "${this.#folder.path}": ${why}`);
        }
        this.#logger.info({ socket }, 'stopping the Redis that an earlier gateway left behind');
        // It closes the connection instead of answering.
        await this.#ask(socket, (redis) => redis.shutdown('NOSAVE'));
      }
      if (performance.now() > deadlineMs) throw unavailable('the Redis of an earlier gateway does not stop');
      await sleep(POLL_INTERVAL_MS, this.#abort.signal);
    }
  }

  /** Asks on a connection of its own. `nobody`: the socket has no server; `busy`: the server is loading or closing. */
  async #ask<T>(path: string, question: (redis: Redis) => Promise<T>): Promise<T | 'nobody' | 'busy'> {
    const redis = new Redis({
      path,
      protocol: 2,
      lazyConnect: true,
      enableReadyCheck: false,
      disableClientInfo: true,
      retryStrategy: null,
      maxRetriesPerRequest: 0,
    });
    redis.on('error', () => undefined);
    let failure: 'nobody' | 'busy' = 'nobody';
    try {
      await redis.connect();
      failure = 'busy';
      return await question(redis);
    } catch {
      return failure;
    } finally {
      redis.disconnect();
    }
  }
}

function hasExited({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function exitOf(child: ChildProcess): Promise<void> {
  if (!hasExited(child)) await new Promise((done) => child.once('exit', done));
}

function unavailable(message: string): GatewayError {
  return new GatewayError('redis_unavailable', message);
}
