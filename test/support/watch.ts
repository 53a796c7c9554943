import { setTimeout as sleep } from 'node:timers/promises';
import { samples } from './metrics-text.ts';
import { keepAlive, request } from './http/request.ts';
import { hold } from './process/resources.ts';

/** Times of a series in scrapes, of performance.now(). Each time is rounded to the side that makes a test stricter. */
export interface Sighting {
  /** End of the first scrape with the series. */
  readonly shownAt: number;
  /** Start of the last scrape with the series. */
  lastAskedAt: number;
  /** End of the first later scrape without the series; undefined while the series is present. */
  missingAt: number | undefined;
  /** Number of times the series reappeared. */
  returns: number;
  value: number;
  /** Number of times the value was lower than the previous one. */
  steppedBack: number;
}

/** Scrapes continuously, and records when each series was present, and every answer except 200. */
export class Watch {
  readonly failures: string[] = [];
  scrapes = 0;
  readonly #url: string;
  readonly #agent = keepAlive(1);
  readonly #pauseMs: number;
  readonly #sightings = new Map<string, Sighting>();
  #stopped = false;
  readonly #running: Promise<void>;
  readonly #release: () => void;

  /** Starts at once, and ends with the test or stop(). `url` is that of the gateway. */
  constructor(url: string, options: { pauseMs?: number } = {}) {
    this.#url = url;
    this.#pauseMs = options.pauseMs ?? 5;
    this.#running = this.#run();
    this.#release = hold(`watch of ${url}`, async () => this.stop());
  }

  /** `series` as in the exposition, without the value: `name{label="value"}`. */
  of(series: string): Sighting | undefined {
    return this.#sightings.get(series);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    this.#agent.destroy();
    this.#release();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const askedAt = performance.now();
      try {
        const { status, text } = await request(this.#url, '/metrics', { agent: this.#agent });
        if (status === 200) this.#note(text, askedAt, performance.now());
        else this.failures.push(`${status} ${text}`);
      } catch (error) {
        this.failures.push(String(error));
      }
      this.scrapes++;
      await sleep(this.#pauseMs);
    }
  }

  #note(text: string, askedAt: number, answeredAt: number): void {
    const shown = new Set<string>();
    for (const { line, value } of samples(text)) {
      const series = line.slice(0, line.lastIndexOf(' '));
      shown.add(series);
      const sighting = this.#sightings.get(series);
      if (sighting === undefined) {
        const first = {
          shownAt: answeredAt,
          lastAskedAt: askedAt,
          missingAt: undefined,
          returns: 0,
          value,
          steppedBack: 0,
        };
        this.#sightings.set(series, first);
        continue;
      }
      if (sighting.missingAt !== undefined) sighting.returns++;
      if (value < sighting.value) sighting.steppedBack++;
      sighting.value = value;
      sighting.lastAskedAt = askedAt;
      sighting.missingAt = undefined;
    }
    for (const [series, sighting] of this.#sightings) {
      if (!shown.has(series)) sighting.missingAt ??= answeredAt;
    }
  }
}
