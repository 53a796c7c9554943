import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { eventually } from '../eventually.ts';
import { fileTag, processTree } from './process-tags.ts';
import { hold } from './resources.ts';
import { temporaryFolder } from './temporary.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StartOptions {
  /** Added to the environment; `undefined` takes a variable away. PUSHGATEWAY_* is never inherited. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** How long stop() waits after SIGTERM; default 20 s. */
  stopTimeoutMs?: number;
}

/**
 * A real process. Its output is written to a file, so that it cannot block on a full pipe or be lost in a crash.
 * It is ended with the test that started it (see resources.ts).
 */
export class TestProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly #exited: Promise<Exit>;
  readonly #stopTimeoutMs: number;
  #exit: Exit | undefined;
  #isStopped = false;

  private constructor(name: string, pid: number, logFile: string, exited: Promise<Exit>, stopTimeoutMs: number) {
    this.name = name;
    this.pid = pid;
    this.logFile = logFile;
    this.#stopTimeoutMs = stopTimeoutMs;
    this.#exited = exited.then((exit) => (this.#exit = exit));
  }

  /** Resolves when the program runs; rejects when there is no such program. */
  static async start(command: string, args: readonly string[], options: StartOptions = {}): Promise<TestProcess> {
    const name = basename(command);
    const logFile = join(temporaryFolder(), `${name}.log`);
    const log = openSync(logFile, 'a');
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: environment(options.env),
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    const exited = new Promise<Exit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    const started = new TestProcess(name, child.pid ?? 0, logFile, exited, options.stopTimeoutMs ?? 20_000);
    const release = hold(`${name} (pid ${started.pid})`, async () => {
      await started.stop();
    });
    void exited.then(release);
    return started;
  }

  /** Exit code and signal, or undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#exit;
  }

  log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  /** Waits for a text in the log. Fails at once if the process ends before. */
  async waitForLine(pattern: RegExp, timeoutMs = 10_000): Promise<RegExpExecArray> {
    return this.waitUntil(`${this.name} to say ${pattern}`, timeoutMs, () => pattern.exec(this.log()) ?? false);
  }

  /** Waits until the address answers 200. Fails at once if the process ends before. */
  async waitForHttp(url: string, timeoutMs = 15_000): Promise<void> {
    await this.waitUntil(`${this.name} to answer ${url}`, timeoutMs, async () => {
      const response = await fetch(url, { headers: { connection: 'close' } });
      const body = await response.text();
      if (response.status !== 200) throw new Error(`HTTP ${response.status}: ${body.slice(0, 200)}`);
      return true;
    });
  }

  /** Like `eventually`, but fails when the process ends; the error shows the end of its log. */
  async waitUntil<T>(what: string, timeoutMs: number, fn: () => T | Promise<T>): Promise<Exclude<T, false>> {
    const hopeless = () => (this.#exit === undefined ? undefined : `it ended with ${JSON.stringify(this.#exit)}`);
    try {
      return await eventually(fn, { timeoutMs, intervalMs: 25, what, hopeless });
    } catch (error) {
      throw this.#withLog(error);
    }
  }

  async waitForExit(timeoutMs = 10_000): Promise<Exit> {
    return eventually(async () => this.#exited, { timeoutMs, what: `the end of ${this.name} (pid ${this.pid})` });
  }

  /** True if the process has not ended and is not stopped by SIGSTOP. */
  get isRunning(): boolean {
    return this.#exit === undefined && !this.#isStopped;
  }

  /** For SIGSTOP, SIGCONT, SIGHUP…; to end the process use stop() or kill(). */
  signal(signal: NodeJS.Signals): void {
    if (this.#exit !== undefined) return;
    process.kill(this.pid, signal);
    if (signal === 'SIGSTOP') this.#isStopped = true;
    if (signal === 'SIGCONT') this.#isStopped = false;
  }

  /** Sends SIGTERM and waits. If the process does not end in time, kills it and its children and throws. */
  async stop(): Promise<Exit> {
    if (this.#exit !== undefined) return this.#exit;
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    try {
      return await this.waitForExit(this.#stopTimeoutMs);
    } catch (error) {
      await this.killTree();
      throw this.#withLog(error);
    }
  }

  /** Sends SIGKILL to this process only. Its children continue; a test that leaves them running fails. */
  async kill(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.waitForExit();
  }

  /** Sends SIGKILL to this process and all its descendants, as in the loss of a node. */
  async killTree(): Promise<Exit> {
    if (this.#exit === undefined) {
      for (const pid of processTree(this.pid)) kill(pid);
    }
    return this.waitForExit();
  }

  #withLog(error: unknown): Error {
    return new Error(`${String(error)}\n--- end of its log ---\n${this.log().slice(-4_000)}`, { cause: error });
  }
}

/** Kills a process that is not a child of this one; ignores that it may have ended. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function environment(added: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(PUSHGATEWAY_|VITEST|NODE_OPTIONS$|TEST$)/.test(name),
  );
  return { ...Object.fromEntries(inherited), NODE_ENV: 'production', TEST_TAG: fileTag, ...added };
}
