/**
 * Scrapes of 10,000 and of 100,000 groups, identity and gzip: idle, after one group changed, and during pushes.
 * Compared with nginx, which sends the same bytes from files, and with the official gateway.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../../support/http/request.ts';
import { groupPath, pushBody } from '../load/workload.ts';
import { push } from '../load/wrk.ts';
import { Scraper } from '../load/scraper.ts';
import type { Figure } from '../report/results.ts';
import { ratios, spread } from '../report/spread.ts';
import { fillOurs, longestStallMs, startNginxWith, startOfficialWith, startOurs, whenIdle } from '../subjects.ts';
import type { Section } from './section.ts';

const RATE = 1_000;
/**
 * Idle pairs for each scrape after a change: small scrapes take less time than other occasional work of the machine.
 */
const IDLE_PAIRS = 4;
const ENCODINGS = ['identity', 'gzip'] as const;
/** Interval of regular scrapes, ms. Short for Prometheus; the longer it is, the more has changed. */
const INTERVAL_MS = 5_000;
/** Scrapes before a scraper is recognised as regular. */
const NOT_YET_REGULAR = 2;
type Encoding = (typeof ENCODINGS)[number];

export const scrapeSection =
  (groups: number): Section =>
  async (size, shape) => {
    const ours = await startOurs();
    await fillOurs(ours, groups, shape);
    const nginx = await startNginxWith(ours.gateway);
    const official = await startOfficialWith(groups, shape, false);
    const times = new Times();
    const scrapers = new Map<string, Scraper>();
    let megabytes: Record<Encoding, number> = { identity: 0, gzip: 0 };
    for (const encoding of ENCODINGS) {
      for (const [name, { url }] of Object.entries({ ours: ours.gateway, nginx, official })) {
        scrapers.set(`${name} ${encoding}`, new Scraper(url, encoding));
      }
    }
    const scrape = async (name: string, encoding: Encoding, condition: string): Promise<void> => {
      const scraper = scrapers.get(`${name} ${encoding}`);
      if (scraper === undefined) throw new Error(`no scraper for ${name}`);
      const { ms, bytes } = await scraper.scrape();
      if (name === 'ours') megabytes = { ...megabytes, [encoding]: bytes / 1e6 };
      times.add(`${name} ${encoding} ${condition}`, ms);
    };
    const changeOne = async (n: number): Promise<void> => {
      const answer = await request(ours.gateway.url, `/metrics${groupPath((n * 7_919) % groups)}`, {
        method: 'PUT',
        body: pushBody(shape, n),
        headers: { prefer: 'wait=10' },
      });
      if (answer.status !== 200) throw new Error(`a push was answered ${answer.status}`);
    };

    let changes = 1;
    for (let round = 0; round < size.rounds; round++) {
      for (const encoding of ENCODINGS) {
        // Warms up the caches after a pause.
        for (const name of ['ours', 'nginx']) await scrape(name, encoding, 'warm-up');
        for (let i = 0; i < size.scrapes; i++) {
          for (let pair = 0; pair < IDLE_PAIRS; pair++) {
            // Each is first equally often, because the second one finds this process warm.
            const names = pair % 2 === 0 ? ['ours', 'nginx'] : ['nginx', 'ours'];
            for (const name of names) await scrape(name, encoding, 'idle');
          }
          await scrape('ours', encoding, 'unchanged');
          await changeOne(changes++);
          await scrape('ours', encoding, 'changed');
        }
      }
      // One per round, because it takes seconds.
      if (round < 2 || groups <= 10_000) for (const encoding of ENCODINGS) await scrape('official', encoding, 'idle');
      await whenIdle(official.process.pid);
    }
    const stalls: number[] = [];
    for (let round = 0; round < size.rounds; round++) {
      const seconds = Math.max(5, size.seconds) + 2;
      const load = push({ url: ours.gateway.url, groups, seconds, shape, connections: 64, rate: RATE });
      await longestStallMs(ours.gateway); // resets the measurement
      const untilMs = performance.now() + (seconds - 1) * 1_000;
      while (performance.now() < untilMs) {
        for (const encoding of ENCODINGS) {
          await scrape('ours', encoding, 'flow');
          await scrape('nginx', encoding, 'flow');
        }
      }
      stalls.push(await longestStallMs(ours.gateway));
      times.add('rate', (await load).perSecond);
    }
    const regular = NOT_YET_REGULAR + size.scrapes;
    const load = push({
      url: ours.gateway.url,
      groups,
      seconds: ((regular + 1) * INTERVAL_MS) / 1_000,
      shape,
      connections: 64,
      rate: RATE,
    });
    const startedMs = performance.now();
    for (let i = 0; i < regular; i++) {
      for (const [n, encoding] of ENCODINGS.entries()) {
        await sleep(startedMs + (i + (n + 1) / ENCODINGS.length) * INTERVAL_MS - performance.now());
        const condition = i < NOT_YET_REGULAR ? 'warm-up' : 'regular';
        for (const name of ['ours', 'nginx']) await scrape(name, encoding, condition);
      }
    }
    await load;
    for (const scraper of scrapers.values()) scraper.close();

    const stored = (encoding: Encoding): string =>
      `${groups.toLocaleString('en')} groups, ${encoding}, ${megabytes[encoding].toFixed(1)} MB`;
    const row = (id: string, what: string, one: string, other: string, title: string, limit?: number): Figure => {
      const ratio = ratios(times.get(one), times.get(other));
      return {
        id: `scrape-${groups}.${id}`,
        what,
        ours: { name: 'ours', unit: 'ms', spread: spread(times.get(one)) },
        versus: { name: title, unit: 'ms', spread: spread(times.get(other)) },
        ratio,
        target: limit === undefined ? '' : `≤ ${limit}`,
        ...(limit === undefined ? {} : { met: ratio.median <= limit }),
      };
    };
    const figures: Figure[] = [];
    for (const encoding of ENCODINGS) {
      const at = stored(encoding);
      figures.push(
        row(`${encoding}-idle`, `scrape, idle: ${at}`, `ours ${encoding} idle`, `nginx ${encoding} idle`, 'nginx', 1.2),
      );
      const officialMs = spread(times.get(`official ${encoding} idle`));
      const oursMs = times.get(`ours ${encoding} idle`);
      const faster = spread(oursMs.map((ms) => officialMs.median / ms));
      figures.push({
        id: `scrape-${groups}.${encoding}-official`,
        what: `scrape, idle: ${at}; how many times faster`,
        ours: { name: 'ours', unit: 'ms', spread: spread(oursMs) },
        versus: { name: 'official', unit: 'ms', spread: officialMs },
        ratio: faster,
        target: '≥ 200',
        met: faster.median >= 200,
      });
      figures.push(
        row(
          `${encoding}-flow`,
          `back-to-back scrapes during ${RATE.toLocaleString('en')} pushes/s: ${at}`,
          `ours ${encoding} flow`,
          `nginx ${encoding} flow`,
          'nginx',
          2,
        ),
        row(
          `${encoding}-regular`,
          `scrape every ${INTERVAL_MS / 1_000} s during ${RATE.toLocaleString('en')} pushes/s: ${at}`,
          `ours ${encoding} regular`,
          `nginx ${encoding} regular`,
          'nginx',
        ),
        row(
          `${encoding}-changed`,
          `first scrape after one group changed: ${at}`,
          `ours ${encoding} changed`,
          `ours ${encoding} unchanged`,
          'unchanged',
          groups >= 100_000 ? 1.3 : undefined,
        ),
      );
    }
    const stall = spread(stalls);
    figures.push({
      id: `scrape-${groups}.stall`,
      what: `longest stall of the event loop during scrapes of ${groups.toLocaleString('en')} groups and pushes`,
      ours: { name: 'ours', unit: 'ms', spread: stall },
      versus: { name: 'pushes during it', unit: '/s', spread: spread(times.get('rate')) },
      target: '≤ 50 ms',
      met: stall.max <= 50,
    });
    return figures;
  };

class Times {
  readonly #times = new Map<string, number[]>();

  add(name: string, value: number): void {
    const held = this.#times.get(name);
    if (held === undefined) this.#times.set(name, [value]);
    else held.push(value);
  }

  get(name: string): readonly number[] {
    return this.#times.get(name) ?? [];
  }
}
