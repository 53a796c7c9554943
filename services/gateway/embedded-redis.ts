/**
 * A private redis-server: a child on a Unix socket, with an append-only file in the data directory that is synced
 * before a push is acknowledged.
 *
 *     stopped ──start()──▶ starting ──answers──▶ running ──exits──▶ restarting (backoff) ──▶ running …
 *     any ──stop()──▶ stopped
 *
 * A gateway that was killed leaves its server behind. The next one finds it on the socket, shuts it down and starts its
 * own, unless another client is connected: then the data directory is in use.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import type { Logger } from '../../shared/logger.ts';
import { GatewayError, systemReason } from '../../shared/errors.ts';
import { backoff } from '../../shared/async/backoff.ts';
import { sleep } from '../../shared/async/sleep.ts';

type State = 'stopped' | 'starting' | 'running' | 'restarting';

/** Longest path of a Unix socket: sun_path with its final NUL, on the systems where it is shortest. */
const SOCKET_PATH_MAX_BYTES = 103;
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_INTERVAL_MS = 20;

export class EmbeddedRedis {
  readonly socketPath: string;
  readonly #dir: string;
  readonly #logger: Logger;
  readonly #abort = new AbortController();
  #state: State = 'stopped';
  #child: ChildProcess | undefined;
  #supervising: Promise<void> | undefined;

  constructor(dataDir: string, logger: Logger) {
    this.#dir = resolve(dataDir);
    this.#logger = logger;
    const inside = join(this.#dir, 'redis.sock');
    const name = createHash('sha1').update(this.#dir).digest('hex').slice(0, 16);
    this.socketPath = inside.length <= SOCKET_PATH_MAX_BYTES ? inside : join(tmpdir(), `pushgateway-${name}.sock`);
  }

  /** Resolves when the server takes commands, after it has read its append-only file. */
  async start(): Promise<void> {
    this.#state = 'starting';
    makeFolder(this.#dir);
    await this.#retireOrphan();
    this.#child = this.#spawn();
    await this.#waitUntilReady();
    this.#supervising = this.#supervise();
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#abort.abort();
    await this.#supervising;
    if (this.#child === undefined || hasExited(this.#child)) return;
    const child = this.#child;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exitOf(child);
    clearTimeout(timer);
  }

  get #isStopped(): boolean {
    return this.#state === 'stopped';
  }

  #spawn(): ChildProcess {
    const settings: Record<string, string> = {
      port: '0',
      unixsocket: this.socketPath,
      unixsocketperm: '700',
      dir: this.#dir,
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
    const child = spawn('redis-server', args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
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
      if (this.#child?.pid === undefined || hasExited(this.#child))
        throw unavailable(`the embedded Redis did not start; see ${join(this.#dir, 'redis.log')}`);
      if ((await this.#ask((redis) => redis.ping())) === 'PONG') return;
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

  async #retireOrphan(): Promise<void> {
    const deadlineMs = performance.now() + STOP_TIMEOUT_MS;
    for (;;) {
      const answer = await this.#ask((redis) => redis.client('LIST') as Promise<string>);
      if (answer === 'nobody') return;
      if (answer !== 'busy') {
        if (answer.trim().split('\n').length > 1) {
          const why = 'another gateway is using it';
          throw new GatewayError('config_invalid', `cannot use data directory "${this.#dir}": ${why}`);
        }
        this.#logger.info({ socket: this.socketPath }, 'stopping the Redis that an earlier gateway left behind');
        // It closes the connection instead of answering.
        await this.#ask((redis) => redis.shutdown('NOSAVE'));
      }
      if (performance.now() > deadlineMs) throw unavailable('the Redis of an earlier gateway does not stop');
      await sleep(POLL_INTERVAL_MS, this.#abort.signal);
    }
  }

  /** Asks on a connection of its own. `nobody`: the socket has no server; `busy`: the server is loading or closing. */
  async #ask<T>(question: (redis: Redis) => Promise<T>): Promise<T | 'nobody' | 'busy'> {
    const redis = new Redis({
      path: this.socketPath,
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

/** Also creates parents. mkdir's `recursive` never returns where a parent does not allow it (as in /proc). */
function makeFolder(dir: string): void {
  try {
    if (existsSync(dir)) {
      accessSync(dir, constants.W_OK);
      return;
    }
    if (dirname(dir) !== dir && !existsSync(dirname(dir))) makeFolder(dirname(dir));
    mkdirSync(dir, { mode: 0o700 });
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError('config_invalid', `cannot use --data.dir "${dir}": ${systemReason(cause)}`, { cause });
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
