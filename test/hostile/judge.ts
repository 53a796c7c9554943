/**
 * Watches a gateway as its well-behaved clients see it: a probe of /-/healthy, cron jobs that push on new connections,
 * a service that pushes on one connection, and a scraper. Everything comes from 127.0.0.1.
 *
 * A time is judged after the time is taken off for which the main thread of the gateway, or that of this process, was
 * ready to run and had to wait for a CPU (the longer of the two, as they may have waited at the same time): attackers
 * and tests share the machine with the gateway. The raw time is kept as well.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayKind } from './attack.ts';

const PROBE_MS = 100;
const PUSH_MS = 50;
const SCRAPE_MS = 250;
const NEW_LOGIN_MS = 700;
/** After that a request counts as failed. */
const DEADLINE_MS = 15_000;

const CLOSED_WHILE_IDLE = 'closed while idle';

export const PASSWORD = 'correct horse';
export const PROBE_USER = 'judge';

export interface Times {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** With the time in which no CPU was free. */
  readonly rawP99: number;
  readonly rawMax: number;
}

export interface Verdict {
  readonly healthy: Times;
  readonly push: Times;
  readonly scrape: Times;
  /** Logins of users for the first time; only of a secured gateway. */
  readonly login: Times;
  /** What was not answered 2xx, and how often. */
  readonly failures: Record<string, number>;
}

export interface Watched {
  readonly port: number;
  readonly pid: number;
  readonly kind: GatewayKind;
}

type Kind = 'healthy' | 'push' | 'scrape' | 'login';

interface Sample {
  readonly rawMs: number;
  readonly ms: number;
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly user?: string;
  /** Default: a connection of its own. */
  readonly agent?: HttpAgent | undefined;
}

export class Judge {
  readonly #watched: Watched;
  readonly #keptAlive: HttpAgent;
  #samples: Record<Kind, Sample[]> = none();
  #failures: Record<string, number> = {};
  #pushes = 0;
  #logins = 0;

  constructor(watched: Watched) {
    this.#watched = watched;
    const options = { keepAlive: true, maxSockets: 1 };
    this.#keptAlive = watched.kind === 'plain' ? new HttpAgent(options) : new HttpsAgent(options);
  }

  /** Watches for this time, and returns what was seen. */
  async watch(seconds: number, { scrapes = true }: { scrapes?: boolean } = {}): Promise<Verdict> {
    this.#samples = none();
    this.#failures = {};
    const endsAt = performance.now() + seconds * 1_000;
    const push = (agent?: HttpAgent) => async () =>
      this.#measure('push', {
        method: 'PUT',
        path: `/metrics/job/judge/n/${this.#pushes++ % 10}`,
        body: 'judged 1\n',
        agent,
      });
    await Promise.all([
      every(PROBE_MS, endsAt, async () => this.#measure('healthy', { method: 'GET', path: '/-/healthy' })),
      every(PUSH_MS, endsAt, push()),
      every(PUSH_MS, endsAt, push(this.#keptAlive)),
      ...(scrapes
        ? [every(SCRAPE_MS, endsAt, async () => this.#measure('scrape', { method: 'GET', path: '/metrics' }))]
        : []),
      ...(this.#watched.kind === 'secured' ? [every(NEW_LOGIN_MS, endsAt, async () => this.#logIn())] : []),
    ]);
    const { healthy, push: pushed, scrape, login } = this.#samples;
    const failures = this.#failures;
    return { healthy: times(healthy), push: times(pushed), scrape: times(scrape), login: times(login), failures };
  }

  close(): void {
    this.#keptAlive.destroy();
  }

  async #logIn(): Promise<void> {
    const user = `user${this.#logins++}`;
    await this.#measure('login', { method: 'GET', path: '/-/healthy', user });
  }

  async #measure(kind: Kind, call: Call): Promise<void> {
    const pids = [this.#watched.pid, process.pid];
    const waited = pids.map(waitedMs);
    const startedAt = performance.now();
    const status = await this.#call(call);
    const rawMs = performance.now() - startedAt;
    const lostMs = Math.max(...pids.map((pid, i) => waitedMs(pid) - (waited[i] ?? 0)));
    this.#samples[kind].push({ rawMs, ms: Math.max(rawMs - lostMs, 0) });
    if (typeof status === 'number' && status >= 200 && status < 300) return;
    const name = `${kind} ${status}`;
    this.#failures[name] = (this.#failures[name] ?? 0) + 1;
  }

  /** The status, or why there is none. */
  async #call(call: Call): Promise<number | string> {
    const outcome = await this.#attempt(call);
    // As Go's client: a connection that the server has closed while it was idle is not an answer.
    if (outcome === CLOSED_WHILE_IDLE) return await this.#attempt({ ...call, agent: undefined });
    return outcome;
  }

  async #attempt({ method, path, body = '', user = PROBE_USER, agent }: Call): Promise<number | string> {
    const { port, kind } = this.#watched;
    const request = kind === 'plain' ? httpRequest : httpsRequest;
    const authorization = { authorization: `Basic ${Buffer.from(`${user}:${PASSWORD}`).toString('base64')}` };
    return new Promise((resolve) => {
      const outgoing = request(
        {
          host: '127.0.0.1',
          port,
          localAddress: '127.0.0.1',
          rejectUnauthorized: false,
          agent: agent ?? false,
          signal: AbortSignal.timeout(DEADLINE_MS),
          method,
          path,
          headers: {
            ...(method === 'GET' ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
            ...(kind === 'secured' ? authorization : {}),
          },
        },
        (incoming) => {
          incoming.resume();
          incoming.once('end', () => resolve(incoming.statusCode ?? 0));
          incoming.once('error', (error) => resolve(error.message));
        },
      );
      outgoing.once('error', (error: NodeJS.ErrnoException) => {
        if (outgoing.reusedSocket && error.code === 'ECONNRESET') resolve(CLOSED_WHILE_IDLE);
        else resolve(error.name === 'AbortError' ? `no answer in ${DEADLINE_MS} ms` : (error.code ?? error.message));
      });
      outgoing.end(body);
    });
  }
}

const none = (): Record<Kind, Sample[]> => ({ healthy: [], push: [], scrape: [], login: [] });

/** A call that takes longer than the interval does not delay the next ones, as independent clients would not. */
async function every(intervalMs: number, endsAt: number, call: () => Promise<void>): Promise<void> {
  const calls: Promise<void>[] = [];
  while (performance.now() < endsAt) {
    calls.push(call());
    await sleep(intervalMs);
  }
  await Promise.all(calls);
}

function times(samples: readonly Sample[]): Times {
  const [ms, raw] = (['ms', 'rawMs'] as const).map((key) =>
    samples.map((sample) => sample[key]).toSorted((one, other) => one - other),
  );
  const at = (sorted: readonly number[] = [], share: number): number =>
    Math.round(sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? 0);
  return {
    count: samples.length,
    p50: at(ms, 0.5),
    p99: at(ms, 0.99),
    max: at(ms, 1),
    rawP99: at(raw, 0.99),
    rawMax: at(raw, 1),
  };
}

/** For how long its main thread has waited for a CPU so far; 0 where the system does not report it. */
function waitedMs(pid: number): number {
  return Number(read(`/proc/${pid}/task/${pid}/schedstat`).split(' ')[1] ?? 0) / 1e6;
}

/** The most memory that the process has held since resetPeak, MiB. */
export function peakMiB(pid: number): number {
  return Math.round(Number(/^VmHWM:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1_024);
}

export function resetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // Then the peak is that since the start of the process.
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // it has ended, or this is not Linux
  }
}
