/**
 * A private redis-server, for those who have none: a child on a Unix socket, with an append-only file in the data directory
 * that is synced before a push is acknowledged.
 *
 *     starting ──ready──▶ running ──exit──▶ restarting (backoff) ──▶ running …
 *     any ──stop()──▶ stopped
 *
 * A gateway that was killed leaves its server behind. The next one finds it on the socket, tells it to save and exit, and
 * starts its own; unless somebody else is connected, which means that the data directory is in use.
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

/** sun_path of sockaddr_un, with the final NUL, on the systems that have the shortest. */
const SOCKET_PATH_MAX = 103;
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 20_000;

export class EmbeddedRedis {
  readonly socketPath: string;
  readonly #dir: string;
  readonly #logger: Logger;
  readonly #abort = new AbortController();
  #child: ChildProcess | undefined;
  #supervising: Promise<void> | undefined;

  constructor(dataDir: string, logger: Logger) {
    this.#dir = resolve(dataDir);
    this.#logger = logger;
    const inside = join(this.#dir, 'redis.sock');
    const name = createHash('sha1').update(this.#dir).digest('hex').slice(0, 16);
    this.socketPath = inside.length <= SOCKET_PATH_MAX ? inside : join(tmpdir(), `pushgateway-${name}.sock`);
  }

  /** Resolves when the server takes commands, which includes reading its append-only file. */
  async start(): Promise<void> {
    makeFolder(this.#dir);
    await this.#retireOrphan();
    this.#spawn();
    await this.#waitUntilReady();
    this.#supervising = this.#supervise();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#supervising;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = onExit(child);
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  }

  #spawn(): void {
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
    // Its own process group: Ctrl-C in a terminal goes to the whole group, and it has to outlive our draining.
    const child = spawn('redis-server', args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    child.on('error', (error) => {
      const missing = 'code' in error && error.code === 'ENOENT';
      const hint = missing
        ? 'redis-server is not installed (Debian: apt-get install redis-server; macOS: brew install redis)'
        : '';
      this.#logger.error({ err: error }, `cannot start the embedded Redis ${hint}`.trim());
    });
    child.stderr?.on('data', (chunk: Buffer) =>
      this.#logger.warn({ redis: chunk.toString().trim() }, 'embedded Redis'),
    );
    this.#child = child;
  }

  async #waitUntilReady(): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < deadline) {
      const child = this.#child;
      if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
        throw new GatewayError(
          'redis_unavailable',
          `the embedded Redis did not start; see ${join(this.#dir, 'redis.log')}`,
        );
      }
      if ((await this.#ask((redis) => redis.ping())) === 'PONG') return;
      await sleep(20, this.#abort.signal);
    }
    throw new GatewayError(
      'redis_unavailable',
      `the embedded Redis did not get ready within ${START_TIMEOUT_MS / 1000} s`,
    );
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#abort;
    const stopped = new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }));
    const pause = backoff({ minMs: 100, maxMs: 5_000 });
    while (!signal.aborted) {
      const child = this.#child;
      if (child === undefined) return;
      await Promise.race([onExit(child), stopped]);
      if (signal.aborted) return;
      this.#logger.error(
        { code: child.exitCode, signal: child.signalCode },
        'the embedded Redis died; starting it again',
      );
      await sleep(pause.next(), signal);
      if (!signal.aborted) this.#spawn();
    }
  }

  async #retireOrphan(): Promise<void> {
    const deadline = performance.now() + STOP_TIMEOUT_MS;
    for (;;) {
      const answer = await this.#ask((redis) => redis.client('LIST') as Promise<string>);
      if (answer === 'nobody') return;
      if (answer !== 'busy') {
        if (answer.trim().split('\n').length > 1) {
          throw new GatewayError(
            'config_invalid',
            `cannot use data directory "${this.#dir}": another gateway is using it`,
          );
        }
        this.#logger.info({ socket: this.socketPath }, 'stopping the Redis that an earlier gateway left behind');
        // It closes the connection instead of answering.
        await this.#ask((redis) => redis.shutdown('NOSAVE'));
      }
      if (performance.now() > deadline)
        throw new GatewayError('redis_unavailable', 'the Redis left behind does not stop');
      await sleep(20, this.#abort.signal);
    }
  }

  /** One question on a connection of its own. `busy`: somebody is there, but loading or closing. */
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
    try {
      await redis.connect();
    } catch {
      redis.disconnect();
      return 'nobody';
    }
    try {
      return await question(redis);
    } catch {
      return 'busy';
    } finally {
      redis.disconnect();
    }
  }
}

/** With its parents. Not by mkdir's own `recursive`, which never ends where a parent lets nothing be made in it (as /proc). */
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

function onExit(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((done) => child.once('exit', () => done()));
}
