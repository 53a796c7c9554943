import { join } from 'node:path';
import { freePort } from './ports.ts';
import { TestProcess, type Exit } from './process.ts';
import { projectFolder } from './project.ts';
import { request, type Answer, type RequestOptions } from './request.ts';
import { temporaryFolder } from './temporary.ts';

export type Role = 'all' | 'ingest' | 'worker' | 'reader';

export interface GatewayOptions {
  /** Default all. */
  role?: Role;
  /** Anything with an endpoint (a server, Sentinels, a Cluster); without one the gateway starts its embedded Redis. */
  redis?: { readonly endpoint: string };
  /** More flags; they come last. */
  args?: readonly string[];
  env?: Record<string, string | undefined>;
  /** Flags for Node itself, as those of its profiler. */
  nodeArgs?: readonly string[];
  /** Default: a free one. */
  port?: number;
  /** Where an embedded Redis keeps its data; default a temporary folder, the same over restart(). */
  dataFolder?: string;
  /** `false`: don't wait for /-/ready, as when Redis is away on purpose. */
  waitUntilReady?: boolean;
}

/** The built command as a real process. */
export class Gateway {
  readonly port: number;
  readonly url: string;
  readonly dataFolder: string;
  readonly #options: GatewayOptions;
  #process: TestProcess | undefined;

  private constructor(port: number, dataFolder: string, options: GatewayOptions) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.dataFolder = dataFolder;
    this.#options = options;
  }

  static async start(options: GatewayOptions = {}): Promise<Gateway> {
    const port = options.port ?? (await freePort());
    const gateway = new Gateway(port, options.dataFolder ?? temporaryFolder(), options);
    await gateway.restart();
    return gateway;
  }

  /** Starts it again with the same flags, port and data, ending it first where it still runs. */
  async restart(): Promise<void> {
    const { role = 'all', redis, args = [], env, nodeArgs = [], waitUntilReady = true } = this.#options;
    await this.#process?.stop();
    const store = redis === undefined ? ['--redis.embedded'] : [`--redis.endpoint=${redis.endpoint}`];
    const flags = [`--port=${this.port}`, `--data.dir=${this.dataFolder}`, ...store, ...args];
    this.#process = await TestProcess.start(
      process.execPath,
      [...nodeArgs, join(projectFolder, 'dist/services/gateway/main.js'), role, ...flags],
      { cwd: this.dataFolder, env: env ?? {} },
    );
    if (waitUntilReady) await this.waitUntilReady();
  }

  async waitUntilReady(timeoutMs = 20_000): Promise<void> {
    await this.process.waitForHttp(`${this.url}/-/ready`, timeoutMs);
  }

  /** For its log, its exit, other signals. */
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

  /** PUT unless told otherwise. The path goes out as given: `/metrics/job/J/…`, or `/ingest` with POST. */
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

  /** SIGTERM, and waits for the drain. */
  async stop(): Promise<Exit> {
    return this.process.stop();
  }

  /** SIGKILL to the gateway alone, for one without children: see killTree. */
  async kill(): Promise<Exit> {
    return this.process.kill();
  }

  /** SIGKILL to the gateway and its children, an embedded Redis among them. */
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
