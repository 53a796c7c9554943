/**
 * Cost by the number of stored groups: of a push, and of the first scrape after one group changed. All numbers have a
 * gateway of their own at the same time, and take turns.
 */
import { request } from '../../support/http/request.ts';
import { groupPath, pushBody } from '../load/workload.ts';
import { push } from '../load/wrk.ts';
import { Scraper, type Scrape } from '../load/scraper.ts';
import type { Figure } from '../report/results.ts';
import { growthExponent, ratios, spread } from '../report/spread.ts';
import { fillOurs, startOurs, whenDrained, type Ours } from '../subjects.ts';
import type { Section } from './section.ts';

interface Stage {
  readonly groups: number;
  readonly ours: Ours;
  readonly scraper: Scraper;
  readonly gzipScraper: Scraper;
  readonly rates: number[];
  readonly scrapeMs: number[];
  readonly firstByteMs: number[];
  readonly gzipFirstByteMs: number[];
  bytes: number;
}

/** Changes per round, each with a scrape: a single one is dominated by what the pushes before it left behind. */
const CHANGES = 9;

export const growthSection: Section = async (size, shape) => {
  const stages: Stage[] = [];
  for (const groups of size.groups) {
    const ours = await startOurs();
    await fillOurs(ours, groups, shape);
    const scraper = new Scraper(ours.gateway.url, 'identity');
    const gzipScraper = new Scraper(ours.gateway.url, 'gzip');
    for (const one of [scraper, gzipScraper]) await one.scrape();
    const times = { rates: [], scrapeMs: [], firstByteMs: [], gzipFirstByteMs: [] };
    stages.push({ groups, ours, scraper, gzipScraper, ...times, bytes: 0 });
  }
  for (let round = -1; round < size.rounds; round++) {
    for (const stage of stages) {
      const { groups, ours, scraper, gzipScraper } = stage;
      const seconds = round < 0 ? size.warmUpSeconds : size.seconds;
      const { perSecond } = await push({ url: ours.gateway.url, groups, seconds, shape });
      await whenDrained(ours.redis, 120_000);
      for (const one of [scraper, gzipScraper]) await one.scrape();
      const identity: Scrape[] = [];
      const gzip: Scrape[] = [];
      for (let change = 0; change < CHANGES; change++) {
        await changeOne(stage, pushBody(shape, 1_000 + round * CHANGES + change));
        identity.push(await scraper.scrape());
        // Another change, because the last one was joined for the scrape above.
        await changeOne(stage, pushBody(shape, 2_000 + round * CHANGES + change));
        gzip.push(await gzipScraper.scrape());
      }
      if (round < 0) continue;
      stage.rates.push(perSecond);
      stage.scrapeMs.push(spread(identity.map(({ ms }) => ms)).median);
      stage.firstByteMs.push(spread(identity.map(({ firstByteMs }) => firstByteMs)).median);
      stage.gzipFirstByteMs.push(spread(gzip.map(({ firstByteMs }) => firstByteMs)).median);
      stage.bytes = identity[0]?.bytes ?? 0;
    }
  }
  for (const { scraper, gzipScraper } of stages) for (const one of [scraper, gzipScraper]) one.close();

  const [first, last] = [stages[0], stages.at(-1)];
  if (first === undefined || last === undefined) return [];
  const kept = ratios(last.rates, first.rates);
  const figures: Figure[] = [
    {
      id: 'growth.drop',
      what: `accepted pushes with ${last.groups.toLocaleString('en')} groups stored, compared with ${first.groups}`,
      ours: { name: 'ours', unit: 'pushes/s', spread: spread(last.rates) },
      versus: { name: 'ours, 1 group', unit: 'pushes/s', spread: spread(first.rates) },
      ratio: kept,
      target: '≥ 0.9',
      met: kept.median >= 0.9,
    },
  ];
  const exponent = (id: string, what: string, cost: (stage: Stage, round: number) => number): void => {
    // One fit per round shows the spread of the exponent.
    const perRound = first.rates.map((_, round) =>
      growthExponent(stages.map((stage) => [stage.groups, cost(stage, round)])),
    );
    const fits = spread(perRound);
    figures.push({
      id: `growth.${id}`,
      what,
      ours: { name: 'ours', unit: '', spread: fits },
      target: '≤ 0.1',
      met: fits.median <= 0.1,
    });
  };
  const over = `growth exponent over ${size.groups.map((groups) => groups.toLocaleString('en')).join('; ')} groups`;
  exponent('push', `${over}: cost of a push`, ({ rates }, round) => 1 / (rates[round] ?? Number.NaN));
  exponent(
    'scrape-after-change',
    `${over}: the first scrape after one group changed, to its first byte`,
    ({ firstByteMs }, round) => firstByteMs[round] ?? Number.NaN,
  );
  exponent(
    'gzip-scrape-after-change',
    `${over}: the first scrape in gzip after one group changed, to its first byte`,
    ({ gzipFirstByteMs }, round) => gzipFirstByteMs[round] ?? Number.NaN,
  );
  for (const { groups, rates, scrapeMs, firstByteMs, gzipFirstByteMs, bytes } of stages) {
    const stored = `${groups.toLocaleString('en')} groups (${(bytes / 1e6).toFixed(2)} MB)`;
    figures.push(
      {
        id: `growth.push-${groups}`,
        what: `accepted pushes, ${stored}`,
        ours: { name: 'ours', unit: 'pushes/s', spread: spread(rates) },
        target: '',
      },
      {
        id: `growth.first-byte-${groups}`,
        what: `first scrape after one group changed, to its first byte, ${stored}`,
        ours: { name: 'ours', unit: 'ms', spread: spread(firstByteMs) },
        target: '',
      },
      {
        id: `growth.scrape-${groups}`,
        what: `the same, to its last byte`,
        ours: { name: 'ours', unit: 'ms', spread: spread(scrapeMs) },
        target: '',
      },
      {
        id: `growth.gzip-first-byte-${groups}`,
        what: `the same in gzip, to its first byte`,
        ours: { name: 'ours', unit: 'ms', spread: spread(gzipFirstByteMs) },
        target: '',
      },
    );
  }
  return figures;
};

async function changeOne({ groups, ours }: Stage, body: string): Promise<void> {
  const headers = { prefer: 'wait=10' };
  const path = `/metrics${groupPath(groups - 1)}`;
  const answer = await request(ours.gateway.url, path, { method: 'PUT', body, headers });
  if (answer.status !== 200) throw new Error(`push was answered ${answer.status}`);
}
