import { setTimeout as sleep } from 'node:timers/promises';
import { samples } from './metrics-text.ts';
import { keepAlive, request } from './http/request.ts';
import { hold } from './process/resources.ts';

/** When a series was shown, by performance.now(). Each time is on the side that makes a test stricter. */
export interface Sighting {
  /** The first scrape that showed it was answered then. */
  readonly shownAt: number;
  /** The last scrape that showed it was asked for then. */
  lastAskedAt: number;
  /** The first scrape after that, without it, was answered then; undefined while it is shown. */
  missingAt: number | undefined;
  /** How often it came back after it had been missing. */
  returns: number;
  value: number;
  /** How often the value shown was lower than the one before. */
  steppedBack: number;
}

/** Scrapes all the time, and remembers when each series was shown. Any answer but 200 is remembered too. */
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

  /** Starts at once, and ends with the test, or with stop(). `url`: of the gateway. */
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
