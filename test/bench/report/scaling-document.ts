/** The tables of docs/scaling.md: the model (scaling-model.ts), applied to the figures of results.json. */
import type { Figure } from './results.ts';
import {
  firstLimit,
  limitsOf,
  mostWith,
  planOf,
  prometheusParts,
  scrapeOf,
  tightest,
  type Assumptions,
  type Costs,
  type Limit,
  type Load,
} from './scaling-model.ts';

const START = '<!-- figures: written by `make scaling`, never by hand -->';
const END = '<!-- end of figures -->';

export const ASSUMED: Assumptions = {
  utilisation: 0.5,
  processBytes: 8e9,
  redisBytes: 16e9,
  networkBytesPerSecond: 0.5 * 1.25e9,
  scrapeSeconds: 15,
  scrapeSamples: 1e6,
  samplesPerGroup: 12,
  least: 2,
  shards: 16,
};

/** Each group is pushed once a minute, except in the last load. */
const LOADS: readonly Load[] = [
  { groups: 1_000, pushesPerSecond: 1_000 / 60 },
  { groups: 100_000, pushesPerSecond: 100_000 / 60 },
  { groups: 10_000_000, pushesPerSecond: 10_000_000 / 60 },
  { groups: 10_000_000, pushesPerSecond: 1_000_000 },
];

/** From docs/performance.md: what a push causes to be compressed again, and the cost of that. */
const PARTS = { partUs: 75, partBytes: 8_192, changesPerPush: 3 };

/** Numbers of Redis masters in a gateway, and the interval between two pushes of a group, s. */
const MASTERS = [1, 3, 4, 6, 8, 12];
const PUSHED_SECONDS = 60;

const TOPOLOGIES = [
  'one of each',
  '2 ingests',
  '4 ingests',
  '2 workers',
  '4 workers',
  '2 readers',
  '4 readers',
  '4 shards',
  '16 shards',
  '16 shards, Cluster of 3',
];

type Of = (id: string) => number;

/** Replaces the tables of the document. */
export function withScalingTables(document: string, figures: readonly Figure[]): string {
  const [before, rest] = document.split(START);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error('docs/scaling.md has no marks for the figures');
  return `${before}${START}\n\n${tables(figures)}\n${END}${after}`;
}

function tables(figures: readonly Figure[]): string {
  const found = new Map(figures.map(({ id, ours }) => [id, ours.spread.median]));
  const of: Of = (id) => {
    const value = found.get(`scale.${id}`);
    if (value === undefined) throw new Error(`scale.${id} is not measured: run make bench BENCH=scale`);
    return value;
  };
  const [costs, rows] = costsOf(of);
  const limits = limitsOf(costs, ASSUMED);
  return [
    '### Costs',
    table(['Cost', 'Figure', 'Computed from these rows of `make bench BENCH=scale`'], rows),
    '### CPU time per push as processes are added, µs',
    slopes(of),
    '### Limits of one gateway',
    'Limits that adding processes does not lift:',
    table(['Limit', 'At most'], limits.map(limitRow)),
    oneMaster(costs),
    sizes(costs),
    '### What it takes',
    plans(costs, limits),
  ].join('\n\n');
}

/**
 * Costs of busy processes: the cost of a push falls when more is done at once, and busy processes set the limits.
 * Followers are busiest when they catch up.
 */
function costsOf(of: Of): [Costs, string[][]] {
  const redisFollowUs = of('catching up: Redis for reader');
  /** What each of three more readers adds. */
  const perReader = (of4: number, of1: number): number => Math.max(0, (of4 - of1) / 3);
  const [one, four] = ['one of each', '4 readers'].map((name) => of(`${name}: bytes in`) + of(`${name}: bytes out`));
  const redisFollowBytes = perReader(four ?? 0, one ?? 0);
  const costs: Costs = {
    takeUs: of('saturated: ingest') - of('saturated: ingest that only follows'),
    ingestFollowUs: of('catching up: ingest'),
    mergeUs: of('saturated: worker'),
    readerFollowUs: of('catching up: reader'),
    redisPushUs: of('saturated: Redis') - 3 * redisFollowUs,
    redisFollowUs,
    clusterRedis: Math.max(1, of('16 shards, Cluster of 3: Redis') / of('one of each: Redis')),
    clusterWorker: Math.max(1, of('16 shards, Cluster of 3: worker') / of('one of each: worker')),
    scrapeUs: of('scrape: gzip') / 1_000,
    ...PARTS,
    scrapeBytes: of('scrape: identity, bytes'),
    gzipScrapeBytes: of('scrape: gzip, bytes'),
    redisGroupBytes: of('memory: Redis'),
    readerGroupBytes: of('memory: reader, partitioned'),
    ingestGroupBytes: of('memory: ingest'),
    redisPushBytes: (one ?? 0) - 2 * redisFollowBytes,
    redisFollowBytes,
  };
  const us = (value: number): string => `${round(value)} µs`;
  const bytes = (value: number): string => `${round(value)} bytes`;
  const rows = [
    ['ingest: a push that it accepts', us(costs.takeUs), '`saturated: ingest` − `saturated: ingest that only follows`'],
    [
      'ingest: a push that another process accepts',
      us(costs.ingestFollowUs),
      `\`catching up: ingest\`; at 1,000 pushes/s ${us(of('following: ingest'))}`,
    ],
    ['worker: a push', us(costs.mergeUs), '`saturated: worker`'],
    [
      'reader: a push',
      us(costs.readerFollowUs),
      `\`catching up: reader\`; at 1,000 pushes/s ${us(of('one of each: reader'))}`,
    ],
    ['Redis: a push, without followers', us(costs.redisPushUs), '`saturated: Redis` − 3 followers'],
    ['Redis: a push, for each follower (ingest or reader)', us(costs.redisFollowUs), '`catching up: Redis for reader`'],
    [
      'Redis: a push on a Cluster of 3, compared with one server',
      `${round(costs.clusterRedis)} ×`,
      '`16 shards, Cluster of 3: Redis` / `one of each: Redis`',
    ],
    [
      'worker: a push on a Cluster of 3, compared with one server',
      `${round(costs.clusterWorker)} ×`,
      '`16 shards, Cluster of 3: worker` / `one of each: worker`',
    ],
    ['reader: an unchanged scrape of 1,000 groups, identity', us(of('scrape: identity')), '`scrape: identity`'],
    ['reader: an unchanged scrape of 1,000 groups, gzip', us(costs.scrapeUs * 1_000), '`scrape: gzip`'],
    [
      'reader: a segment that changed before a scrape, gzip',
      us(costs.partUs),
      `not from \`BENCH=scale\`: segments in [performance.md](performance.md); ${costs.changesPerPush} per push, of ${costs.partBytes / 1_024} KiB`,
    ],
    ['a group in a scrape, identity', bytes(costs.scrapeBytes), '`scrape: identity, bytes`'],
    ['a group in a scrape, gzip', bytes(costs.gzipScrapeBytes), '`scrape: gzip, bytes`'],
    ['a group in Redis', bytes(costs.redisGroupBytes), '`memory: Redis`'],
    ['a group in a reader', bytes(of('memory: reader')), '`memory: reader`'],
    [
      'a group in a reader that is scraped in partitions',
      bytes(costs.readerGroupBytes),
      '`memory: reader, partitioned`',
    ],
    ['a group in an ingest process', bytes(costs.ingestGroupBytes), '`memory: ingest`'],
    ['traffic of Redis: a push, without followers', bytes(costs.redisPushBytes), '`one of each: bytes` − 2 followers'],
    [
      'traffic of Redis: a push, for each follower',
      bytes(costs.redisFollowBytes),
      '`4 readers: bytes` − `one of each: bytes`',
    ],
    [
      'rate at which a reader that fell behind catches up',
      `${round(of('catching up: reader, rate'))} groups/s`,
      '`catching up: reader, rate`',
    ],
    [
      'rate at which an ingest process that fell behind catches up',
      `${round(of('catching up: ingest, rate'))} groups/s`,
      '`catching up: ingest, rate`',
    ],
  ];
  return [costs, rows];
}

function slopes(of: Of): string {
  const rows = TOPOLOGIES.map((name) => {
    const roles = ['ingest', 'worker', 'reader', 'Redis'].map((role) => of(`${name}: ${role}`));
    const all = roles.reduce((sum, one) => sum + one, 0);
    const bytes = of(`${name}: bytes in`) + of(`${name}: bytes out`);
    return [name, ...[...roles, all, bytes].map(round)];
  });
  return table(['Processes', 'ingest', 'worker', 'reader', 'Redis masters', 'total', 'traffic of Redis, bytes'], rows);
}

function limitRow({ what, most: { groups, pushesPerSecond } }: Limit): string[] {
  return [what, groups === undefined ? `${round(pushesPerSecond ?? 0)} pushes/s` : `${round(groups)} groups`];
}

/** The bottleneck that is reached long before those limits. */
function oneMaster({ redisPushUs, redisFollowUs, clusterRedis }: Costs): string {
  const followers = 2 * ASSUMED.least;
  const coreUs = ASSUMED.utilisation * 1e6;
  const us = redisPushUs + followers * redisFollowUs;
  return [
    'The bottleneck before that is the CPU time of Redis. One master with the fewest followers, two ingest processes and',
    `two readers: ${round(coreUs)} µs per second / (${round(redisPushUs)} + ${followers} × ${round(redisFollowUs)} µs) =`,
    `**${round(coreUs / us)} pushes/s**. Several masters are a Cluster, on which a push costs Redis`,
    `${round(clusterRedis)} times as much. By the number of masters, with every group pushed once a minute and as many`,
    'other processes as needed:',
  ].join('\n');
}

function sizes(costs: Costs): string {
  const rows = MASTERS.flatMap((masters) => {
    const most = mostWith(masters, PUSHED_SECONDS, costs, ASSUMED);
    if (most === undefined) return [];
    const { pushesPerSecond, gateway } = most;
    const { ingests, workers, readers } = gateway;
    const all = ingests + workers + readers + masters;
    const { what } = tightest({ groups: pushesPerSecond * PUSHED_SECONDS, pushesPerSecond }, gateway, costs, ASSUMED);
    return [[masters, pushesPerSecond, ingests, workers, readers, all, pushesPerSecond / all].map(round).concat(what)];
  });
  const head = [
    'Redis masters',
    'maximum pushes/s',
    'ingests',
    'workers',
    'readers',
    'processes and masters',
    'pushes/s for each of them',
    'bottleneck',
  ];
  return table(head, rows);
}

function plans(costs: Costs, limits: readonly Limit[]): string {
  const columns = LOADS.map((load) => {
    const { gateways, gateway, processes, redisBytesPerSecond } = planOf(load, costs, ASSUMED);
    const first = firstLimit(limits, load);
    const share = first.share(load);
    const { ingests, workers, readers, masters, shards } = gateway;
    const each = { groups: load.groups / gateways, pushesPerSecond: load.pushesPerSecond / gateways };
    const parts = prometheusParts(each, ASSUMED);
    const scraped = each.groups / parts;
    const tight = tightest(each, gateway, costs, ASSUMED);
    const scrape = scrapeOf(each, readers, costs, ASSUMED);
    return [
      `${round(load.groups)} groups, ${round(load.pushesPerSecond)} pushes/s`,
      `${first.what}: ${share < 1 ? `${(share * 100).toFixed(1)} % of it` : `${round(share)} × the limit`}`,
      `${round((load.pushesPerSecond * costs.redisFollowBytes * 8) / 1e6)} Mbit/s`,
      round(gateways),
      `${round(each.pushesPerSecond)} pushes/s, ${round(each.groups)} groups`,
      `${tight.what}: ${round(tight.share * 100)} %`,
      ...[ingests, workers, readers, masters, shards].map(round),
      round(processes),
      `${round((each.pushesPerSecond * costs.readerFollowUs) / 1e3)} ms/s`,
      `${round(scrape.us / scrape.everySeconds / 1e3)} ms/s (${round(scrape.us / 1e3)} ms every ${round(scrape.everySeconds)} s)`,
      `${round((redisBytesPerSecond * 8) / 1e6)} Mbit/s`,
      round(gateways * parts),
      `${round((scraped * costs.scrapeBytes) / 1e6)} MB, gzip ${round((scraped * costs.gzipScrapeBytes) / 1e6)} MB`,
      `${round((each.groups * costs.readerGroupBytes) / 1e6)} MB`,
      `${round(((each.groups / masters) * costs.redisGroupBytes) / 1e6)} MB`,
    ];
  });
  const names = [
    '',
    'nearest limit of a single gateway that adding processes does not lift',
    'traffic of each follower in a single gateway',
    'gateways, each with its own Redis',
    'load of each gateway',
    'bottleneck of each gateway, and its utilisation',
    'ingest processes of each gateway',
    'workers of each',
    'readers of each',
    'Redis masters of each',
    'shards of each',
    'processes and masters in total',
    'CPU time of each reader for following',
    'CPU time of each reader for scrapes',
    'traffic of a master',
    'Prometheus servers (twice as many for pairs)',
    'size of a scrape of one of them',
    'memory of the groups in a reader',
    'memory of the groups in a master',
  ];
  const [head = [], ...rows] = names.map((name, i) => [name, ...columns.map((column) => column[i] ?? '')]);
  return table(head, rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

/** Three digits: nothing here is known more precisely. */
function round(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en', { maximumFractionDigits: 2 });
}
