/**
 * Clients that push, and scrapers. Each group has a writer that pushes, waits for the answer, and pushes its next
 * value in its turn. If a gateway refuses the connection, the writer uses the next one at once, as a load
 * balancer does; it never repeats a push that may have been sent.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Agent } from 'node:http';
import { keepAlive, request, type Answer } from '../../support/http/request.ts';
import type { Fate, Flush, Observation, Push, Verb } from './history.ts';
import { bodyOf, JOB, readScrape } from './read-scrape.ts';

/** Above the 30 s for which a gateway holds a push. */
const PUSH_TIMEOUT_MS = 35_000;
const SCRAPE_TIMEOUT_MS = 2_000;
const CONNECT_PAUSE_MS = 20;
/** Pause that lets the checker, which counts in ms, order two pushes. */
const APART_MS = 2;

export interface WorkloadOptions {
  readonly groups?: number;
  /** Of all groups together. */
  readonly pushesPerSecond?: number;
  readonly scrapeEveryMs?: number;
}

export interface Endpoint {
  readonly name: string;
  readonly url: string;
}

/** A scrape without an answer, or with another than 200. */
export interface FailedScrape {
  readonly reader: string;
  readonly askedMs: number;
  readonly failedMs: number;
  readonly why: string;
}

interface Target extends Endpoint {
  readonly agent: Agent;
}

export class Workload {
  readonly pushes: Push[] = [];
  readonly flushes: Flush[] = [];
  readonly observations: Observation[] = [];
  readonly failedScrapes: FailedScrape[] = [];
  readonly #ingests: readonly Target[];
  readonly #readers: readonly Target[];
  readonly #groups: number;
  readonly #pauseMs: number;
  readonly #scrapeEveryMs: number;
  readonly #running: Promise<void>[] = [];
  #writers: Promise<void>[] = [];
  #isPushing = true;
  #isScraping = true;

  constructor(ingests: readonly Endpoint[], readers: readonly Endpoint[], options: WorkloadOptions = {}) {
    const { groups = 50, pushesPerSecond = 100, scrapeEveryMs = 100 } = options;
    this.#groups = groups;
    this.#pauseMs = (groups * 1_000) / pushesPerSecond;
    this.#scrapeEveryMs = scrapeEveryMs;
    this.#ingests = ingests.map((target) => ({ ...target, agent: keepAlive(groups) }));
    this.#readers = readers.map((target) => ({ ...target, agent: keepAlive(1) }));
  }

  start(): void {
    this.#writers = Array.from({ length: this.#groups }, async (_, i) => this.#write(`g${i}`, i));
    for (const reader of this.#readers) this.#running.push(this.#scrape(reader));
  }

  /** Stops new pushes; resolves when those in flight are answered. */
  async stopPushing(): Promise<void> {
    this.#isPushing = false;
    await Promise.all(this.#writers);
  }

  async stop(): Promise<void> {
    this.#isScraping = false;
    await this.stopPushing();
    await Promise.all(this.#running);
    for (const { agent } of [...this.#ingests, ...this.#readers]) agent.destroy();
  }

  /** One scrape of each reader, now. */
  async observe(): Promise<Observation[]> {
    return await Promise.all(this.#readers.map(async (reader) => observe(reader)));
  }

  async #write(group: string, index: number): Promise<void> {
    const random = randomOf(index);
    await sleep(random() * this.#pauseMs);
    let value = 0;
    while (this.#isPushing) {
      value++;
      const startedMs = performance.now();
      this.pushes.push(await this.#push(group, value, verbOf(random()), index + value));
      const leftMs = this.#pauseMs * (0.75 + random() / 2) - (performance.now() - startedMs);
      await sleep(Math.max(APART_MS, leftMs));
    }
  }

  async #push(group: string, value: number, verb: Verb, first: number): Promise<Push> {
    const path = `/metrics/job/${JOB}/group/${group}`;
    const body = verb === 'DELETE' ? {} : { body: bodyOf(verb, value) };
    const sentMs = Date.now();
    const done = (fate: Fate, answer: string): Push => {
      return { group, value, verb, sentMs, answeredMs: Date.now(), fate, answer };
    };
    for (let i = first; ; i++) {
      const { url, agent } = this.#ingests[i % this.#ingests.length] as Target;
      const timeoutMs = PUSH_TIMEOUT_MS - (Date.now() - sentMs);
      if (timeoutMs <= 0) return done('refused', 'no gateway to connect to');
      try {
        const answer = await request(url, path, { method: verb, ...body, agent, timeoutMs });
        return done(fateOf(answer), `${answer.status} ${answer.text.trim()}`);
      } catch (error) {
        if (!wasNeverSent(error)) return done('indeterminate', String(error));
        if ((i - first) % this.#ingests.length === this.#ingests.length - 1) await sleep(CONNECT_PAUSE_MS);
      }
    }
  }

  async #scrape(reader: Target): Promise<void> {
    while (this.#isScraping) {
      const askedMs = Date.now();
      try {
        this.observations.push(await observe(reader));
      } catch (error) {
        this.failedScrapes.push({ reader: reader.name, askedMs, failedMs: Date.now(), why: String(error) });
      }
      await sleep(Math.max(1, this.#scrapeEveryMs - (Date.now() - askedMs)));
    }
  }
}

async function observe({ name, url, agent }: Target): Promise<Observation> {
  const askedMs = Date.now();
  const { status, text } = await request(url, '/metrics', { agent, timeoutMs: SCRAPE_TIMEOUT_MS });
  const answeredMs = Date.now();
  if (status !== 200) throw new Error(`${status} ${text.slice(0, 200)}`);
  return { reader: name, askedMs, answeredMs, ...readScrape(text) };
}

function fateOf({ status, text }: Answer): Fate {
  if (status === 200 || status === 202) return 'ok';
  return /indeterminate|not known/.test(text) || status === 500 ? 'indeterminate' : 'refused';
}

function wasNeverSent(error: unknown): boolean {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED';
}

/** Mostly PUT, because only a PUT can be torn. */
function verbOf(random: number): Verb {
  if (random < 0.08) return 'DELETE';
  return random < 0.35 ? 'POST' : 'PUT';
}

/** mulberry32: the same pushes in every run. */
function randomOf(seed: number): () => number {
  let state = seed * 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
