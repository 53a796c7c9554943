import { join } from 'node:path';
import { eventually } from '../eventually.ts';
import { TestProcess, type Exit } from '../process/process.ts';
import { projectFolder } from '../project.ts';
import { request, type Answer, type RequestOptions } from '../http/request.ts';
import { temporaryFolder } from '../process/temporary.ts';

export type Role = 'all' | 'ingest' | 'worker' | 'reader';

export interface GatewayOptions {
  /** Default all. */
  role?: Role;
  /** Anything with an endpoint (a server, Sentinels, a Cluster); without one the gateway starts its embedded Redis. */
  redis?: { readonly endpoint: string };
  /** More flags; they come last. */
  args?: readonly string[];
  env?: Record<string, string | undefined>;
  /** Default: the built main.js. */
  program?: string;
  /** Flags for Node itself, as those of its profiler. */
  nodeArgs?: readonly string[];
  /** Default: chosen by the kernel. A gateway that is restarted needs a port from freePort(). */
  port?: number;
  /** Data folder of an embedded Redis; default a temporary folder, which restart() keeps. */
  dataFolder?: string;
  /** `false`: does not wait for /-/ready, for tests without a reachable Redis. */
  waitUntilReady?: boolean;
}

const builtProgram = join(projectFolder, 'dist/services/gateway/main.js');

/** The built command as a real process. */
export class Gateway {
  readonly dataFolder: string;
  readonly #options: GatewayOptions;
  #port: number | undefined;
  #process: TestProcess | undefined;

  private constructor(dataFolder: string, options: GatewayOptions) {
    this.dataFolder = dataFolder;
    this.#options = options;
  }

  /** Resolves when it is ready; with `waitUntilReady: false`, when it listens or has ended. */
  static async start(options: GatewayOptions = {}): Promise<Gateway> {
    const gateway = new Gateway(options.dataFolder ?? temporaryFolder(), options);
    await gateway.#start(options.port ?? 0);
    return gateway;
  }

  /** Restarts it with the same flags, port and data. */
  async restart(): Promise<void> {
    const { port } = this.#options;
    if (port === undefined) throw new Error('a gateway on any port cannot be restarted: start it with a freePort()');
    await this.#process?.stop();
    await this.#start(port);
  }

  async #start(port: number): Promise<void> {
    const {
      role = 'all',
      redis,
      args = [],
      env,
      nodeArgs = [],
      program = builtProgram,
      waitUntilReady = true,
    } = this.#options;
    const store = redis === undefined ? ['--redis.embedded'] : [`--redis.endpoint=${redis.endpoint}`];
    const flags = [`--port=${port}`, `--data.dir=${this.dataFolder}`, ...store, ...args];
    const started = await TestProcess.start(process.execPath, [...nodeArgs, program, role, ...flags], {
      cwd: this.dataFolder,
      env: env ?? {},
    });
    this.#process = started;
    this.#port = await portFrom(started);
    if (waitUntilReady) await this.waitUntilReady();
  }

  /** Port of the first address in its log, 0 for a unix socket. */
  get port(): number {
    if (this.#port === undefined) throw new Error(`this gateway does not listen:\n${this.process.log()}`);
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async waitUntilReady(timeoutMs = 30_000): Promise<void> {
    await this.process.waitForHttp(`${this.url}/-/ready`, timeoutMs);
  }

  /** The process, for its log, exit status and other signals. */
  get process(): TestProcess {
    if (this.#process === undefined) throw new Error('this gateway was never started');
    return this.#process;
  }

  get pid(): number {
    return this.process.pid;
  }

  async request(path: string, options?: RequestOptions): Promise<Answer> {
    return request(this.url, path, options);
  }

  /** Default PUT. The path is sent as given: `/metrics/job/J/…`, or `/ingest` with POST. */
  async push(path: string, body: string | Uint8Array = '', options: RequestOptions = {}): Promise<Answer> {
    return request(this.url, path, { method: 'PUT', body, ...options });
  }

  async ingest(body: string | Uint8Array, options: RequestOptions = {}): Promise<Answer> {
    return request(this.url, '/ingest', { method: 'POST', body, ...options });
  }

  async delete(path: string, options: RequestOptions = {}): Promise<Answer> {
    return request(this.url, path, { method: 'DELETE', ...options });
  }

  /** The text of /metrics; anything but 200 is an error. */
  async scrape(): Promise<string> {
    return this.#text('/metrics');
  }

  /** The text of /telemetry; anything but 200 is an error. */
  async telemetry(): Promise<string> {
    return this.#text('/telemetry');
  }

  /** Sends SIGTERM and waits for the end. */
  async stop(): Promise<Exit> {
    return this.process.stop();
  }

  /** Sends SIGKILL to the gateway only; for one with children, see killTree. */
  async kill(): Promise<Exit> {
    return this.process.kill();
  }

  /** Sends SIGKILL to the gateway and its children, including an embedded Redis. */
  async killTree(): Promise<Exit> {
    return this.process.killTree();
  }

  async #text(path: string): Promise<string> {
    const answer = await this.request(path);
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${answer.text.slice(0, 200)}`);
    return answer.text;
  }
}

export async function startGateway(options?: GatewayOptions): Promise<Gateway> {
  return Gateway.start(options);
}

/**
 * From the log of the process, so that another process on the port is not taken for it. Undefined if it ended before.
 */
async function portFrom(gateway: TestProcess): Promise<number | undefined> {
  return eventually(
    () => {
      const [, url] = /msg="listening" url=(\S+)/.exec(gateway.log()) ?? [];
      if (url === undefined) return gateway.exit === undefined ? false : undefined;
      return url.startsWith('unix:') ? 0 : Number(new URL(url).port);
    },
    { timeoutMs: 60_000, intervalMs: 10, what: 'a gateway that listens' },
  );
}
