import { join } from 'node:path';
import { freePort } from '../process/ports.ts';
import { TestProcess, type Exit } from '../process/process.ts';
import { listenSettings, type RedisAccess } from './access.ts';
import { redisCli } from './cli.ts';
import { temporaryFolder } from '../process/temporary.ts';
import { requireTool } from '../process/tools.ts';

export interface RedisOptions {
  /** Default: a free one. */
  port?: number;
  /** Listens on this unix socket, and on no port. */
  socket?: string;
  /** More redis-server arguments, which override the defaults. */
  args?: readonly string[];
  /** Folder of the append-only file; default a temporary folder. */
  folder?: string;
  access?: RedisAccess;
  /** Default redis-server. */
  program?: string;
  /** Added to its environment. */
  env?: Record<string, string>;
}

/** A single Redis server with an append-only file, or one node of a larger topology. */
export class RedisServer {
  readonly port: number;
  readonly socket: string | undefined;
  readonly folder: string;
  readonly #args: readonly string[];
  readonly #access: RedisAccess;
  readonly #program: string;
  readonly #env: Record<string, string>;
  #process: TestProcess | undefined;

  private constructor(port: number, options: RedisOptions) {
    this.port = port;
    this.socket = options.socket;
    this.folder = options.folder ?? temporaryFolder();
    this.#args = options.args ?? [];
    this.#access = options.access ?? {};
    this.#env = options.env ?? {};
    this.#program = options.program ?? requireTool('redis-server');
  }

  static async start(options: RedisOptions = {}): Promise<RedisServer> {
    const port = options.socket === undefined ? (options.port ?? (await freePort())) : 0;
    const server = new RedisServer(port, options);
    await server.restart();
    return server;
  }

  /** As `--redis.endpoint` takes it. */
  get endpoint(): string {
    return this.socket === undefined ? `127.0.0.1:${this.port}` : `unix:${this.socket}`;
  }

  get url(): string {
    return this.socket === undefined ? `redis://${this.endpoint}` : `redis+unix://${this.socket}`;
  }

  get pid(): number {
    return this.#running().pid;
  }

  /** Exit code and signal, or undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#running().exit;
  }

  log(): string {
    return this.#running().log();
  }

  /** Restarts it on the same address with the same data. */
  async restart(): Promise<void> {
    await this.#process?.stop();
    const listen = listenSettings(this.port, this.#access).flatMap(([name, value]) => [`--${name}`, value]);
    listen.push('--bind', '127.0.0.1');
    if (this.socket !== undefined) listen.push('--unixsocket', this.socket);
    const { password } = this.#access;
    if (password !== undefined) listen.push('--requirepass', password, '--masterauth', password);
    // With this setting a replica does not wait for further replicas.
    const atOnce = ['--repl-diskless-sync-delay', '0'];
    const durable = ['--appendonly', 'yes', '--save', '', '--maxmemory-policy', 'noeviction'];
    this.#process = await TestProcess.start(
      this.#program,
      [...listen, '--dir', this.folder, ...durable, ...atOnce, ...this.#args],
      { cwd: this.folder, env: this.#env },
    );
    await waitForServer(this.#process, this.endpoint, async (...command) => this.cli(...command));
  }

  /** Runs one command; rejects on an error reply. */
  async cli(...command: string[]): Promise<string> {
    return redisCli(this.socket ?? this.port, command, this.#access);
  }

  /** One field of INFO. */
  async info(field: string): Promise<string | undefined> {
    return new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(await this.cli('INFO'))?.[1];
  }

  async stop(): Promise<void> {
    await this.#running().stop();
  }

  /** Sends SIGKILL: unwritten data is lost, as in a crash. */
  async kill(): Promise<void> {
    await this.#running().kill();
  }

  /**
   * Sends SIGSTOP: connections stay open without answers, as of a server that hangs or a network that drops packets.
   */
  pause(): void {
    this.#running().signal('SIGSTOP');
  }

  resume(): void {
    this.#running().signal('SIGCONT');
  }

  #running(): TestProcess {
    if (this.#process === undefined) throw new Error('this redis-server was never started');
    return this.#process;
  }
}

/** Waits until it serves. Another process on its address does not count. */
export async function waitForServer(
  server: TestProcess,
  address: string,
  cli: (...command: string[]) => Promise<string>,
): Promise<void> {
  await server.waitUntil(`redis-server on ${address}`, 10_000, async () => {
    const [, pid] = /^process_id:(\d+)/m.exec(await cli('INFO', 'server')) ?? [];
    if (pid !== String(server.pid)) throw new Error(`process ${pid} answers, not ${server.pid}`);
    return (await cli('PING')) === 'PONG';
  });
}

export async function startRedis(options?: RedisOptions): Promise<RedisServer> {
  return RedisServer.start(options);
}

/** A Redis that listens on a unix socket only. */
export async function startRedisOnSocket(options: Omit<RedisOptions, 'socket' | 'port'> = {}): Promise<RedisServer> {
  return RedisServer.start({ ...options, socket: join(temporaryFolder(), 'redis.sock') });
}
