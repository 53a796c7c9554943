/**
 * How many processes a load takes, reckoned from measured costs. Pure.
 *
 *     gateway    one prefix: its ingest, worker and reader processes, its Redis masters
 *     follow     to fetch each group that changed: readers do, for their snapshot; ingest processes, for their catalogue
 *
 * Taking, merging and storing a push is shared by those who do it. Following is not: each follower pays for every push of its gateway,
 * and Redis for each follower. So one gateway has a largest rate, whatever is added to it; past that it takes several.
 *
 * A scrape costs little for each group, and much for each part of the text that has changed since this reader was scraped last, for
 * that is joined and compressed anew: once, however many ask for it then.
 */

/** CPU microseconds, bytes. */
export interface Costs {
  /** Of an ingest process, for a push that it takes; without following it. */
  readonly takeUs: number;
  readonly ingestFollowUs: number;
  readonly mergeUs: number;
  readonly readerFollowUs: number;
  /** Of Redis, for a push; without its followers. */
  readonly redisPushUs: number;
  readonly redisFollowUs: number;
  /** Of a reader, for a group in a scrape of what has not changed; in gzip, which is what Prometheus asks for. */
  readonly scrapeUs: number;
  /** Of a reader, for a part of the text that has changed: to join and to compress it. */
  readonly partUs: number;
  readonly partBytes: number;
  /** Places in the text that a push changes: its families, and the push time. */
  readonly changesPerPush: number;
  readonly scrapeBytes: number;
  readonly gzipScrapeBytes: number;
  readonly redisGroupBytes: number;
  readonly readerGroupBytes: number;
  readonly ingestGroupBytes: number;
  /** A push on a Cluster against one on a single server: time of its masters, and of the worker, which calls each shard. */
  readonly clusterRedis: number;
  readonly clusterWorker: number;
  /** From and to Redis for a push, without its followers. */
  readonly redisPushBytes: number;
  readonly redisFollowBytes: number;
}

/** What the operator decides; nothing of it is measured. */
export interface Assumptions {
  /** Part of a core that a process is to use: each is one thread, but for garbage collection and gzip. */
  readonly utilisation: number;
  readonly processBytes: number;
  readonly redisBytes: number;
  readonly networkBytesPerSecond: number;
  readonly scrapeSeconds: number;
  /** Samples of one scrape that a Prometheus server is to take. */
  readonly scrapeSamples: number;
  readonly samplesPerGroup: number;
  /** Of each role, so that one may fail. */
  readonly least: number;
  /** Shards of a Cluster. */
  readonly shards: number;
}

export interface Load {
  readonly groups: number;
  readonly pushesPerSecond: number;
}

export interface Gateway {
  readonly ingests: number;
  readonly workers: number;
  readonly readers: number;
  readonly masters: number;
  readonly shards: number;
}

export interface Plan {
  readonly gateways: number;
  /** Each of them. */
  readonly gateway: Gateway;
  /** Processes and masters of all gateways. */
  readonly processes: number;
  /** Bytes a second of the busiest Redis master. */
  readonly redisBytesPerSecond: number;
}

/** A limit of one gateway that adding processes to it does not lift. */
export interface Limit {
  readonly what: string;
  readonly most: Partial<Load>;
  /** By a load: part of the limit, 1 = reached. */
  readonly share: (load: Load) => number;
}

const SECOND_US = 1e6;
/** Past that following leaves them next to nothing. */
const READERS_MOST = 1_000;

export function limitsOf(costs: Costs, assumed: Assumptions): Limit[] {
  const rate = (what: string, us: number): Limit => {
    const most = (assumed.utilisation * SECOND_US) / us;
    return { what, most: { pushesPerSecond: most }, share: ({ pushesPerSecond }) => pushesPerSecond / most };
  };
  const size = (what: string, bytes: number): Limit => {
    const most = assumed.processBytes / bytes;
    return { what, most: { groups: most }, share: ({ groups }) => groups / most };
  };
  return [
    rate('each reader follows every push', costs.readerFollowUs),
    rate('each ingest process follows every push', costs.ingestFollowUs),
    size('each reader holds every group', costs.readerGroupBytes),
    size('each ingest process catalogues every group', costs.ingestGroupBytes),
  ];
}

/** The limit that a load meets first. */
export function firstLimit(limits: readonly Limit[], load: Load): Limit {
  return largest(limits, (limit) => limit.share(load));
}

/** Parts of the text that have changed after so many seconds, when changes fall on all of them alike. */
export function changedParts({ groups, pushesPerSecond }: Load, seconds: number, costs: Costs): number {
  const parts = (groups * costs.scrapeBytes) / costs.partBytes;
  return parts * (1 - Math.exp((-costs.changesPerPush * pushesPerSecond * seconds) / parts));
}

/**
 * Of each of so many readers that share the scrapes: µs of one scrape of everything, and seconds until the next, evenly spread, which is
 * the worst. As often as there are Prometheus servers that must not fail together.
 */
export function scrapeOf(
  load: Load,
  readers: number,
  costs: Costs,
  assumed: Assumptions,
): { us: number; everySeconds: number } {
  const everySeconds = (assumed.scrapeSeconds * readers) / assumed.least;
  const us = load.groups * costs.scrapeUs + changedParts(load, everySeconds, costs) * costs.partUs;
  return { us, everySeconds };
}

/** What one gateway takes; undefined when no number of processes is enough. */
export function sizeOf({ groups, pushesPerSecond }: Load, costs: Costs, assumed: Assumptions): Gateway | undefined {
  const coreUs = assumed.utilisation * SECOND_US;
  const { least } = assumed;
  const atLeast = (count: number): number => Math.max(least, Math.ceil(count));
  if (groups * Math.max(costs.readerGroupBytes, costs.ingestGroupBytes) > assumed.processBytes) return undefined;
  const ingestLeftUs = coreUs - pushesPerSecond * costs.ingestFollowUs;
  const readerLeftUs = coreUs - pushesPerSecond * costs.readerFollowUs;
  if (ingestLeftUs <= 0 || readerLeftUs <= 0) return undefined;
  const ingests = atLeast((pushesPerSecond * costs.takeUs) / ingestLeftUs);
  let readers = least;
  for (; ; readers++) {
    const { us, everySeconds } = scrapeOf({ groups, pushesPerSecond }, readers, costs, assumed);
    if (us / everySeconds <= readerLeftUs) break;
    if (readers > READERS_MOST) return undefined;
  }
  const followers = ingests + readers;
  const mastersAt = (factor: number): number => {
    const us = pushesPerSecond * factor * (costs.redisPushUs + followers * costs.redisFollowUs);
    const bytesPerSecond = redisTraffic(pushesPerSecond, followers, costs);
    return Math.max(
      1,
      Math.ceil(us / coreUs),
      Math.ceil((groups * costs.redisGroupBytes) / assumed.redisBytes),
      Math.ceil(bytesPerSecond / assumed.networkBytesPerSecond),
    );
  };
  const isCluster = mastersAt(1) > 1;
  const masters = isCluster ? mastersAt(costs.clusterRedis) : 1;
  const workers = atLeast((pushesPerSecond * costs.mergeUs * (isCluster ? costs.clusterWorker : 1)) / coreUs);
  // A Cluster has three masters or more. Several shards for each, so that they can be spread evenly.
  const nodes = masters === 1 ? 1 : Math.max(3, masters);
  const shards = nodes === 1 ? 1 : Math.max(assumed.shards, 2 ** Math.ceil(Math.log2(4 * nodes)));
  return { ingests, workers, readers, masters: nodes, shards };
}

/** What a gateway has most of, as a part of what it may have: 1 = not one push more, or not one group, with these processes. */
export function tightest(
  load: Load,
  gateway: Gateway,
  costs: Costs,
  assumed: Assumptions,
): { what: string; share: number } {
  const { groups, pushesPerSecond } = load;
  const { ingests, workers, readers, masters } = gateway;
  const followers = ingests + readers;
  const [redisFactor, workerFactor] = masters > 1 ? [costs.clusterRedis, costs.clusterWorker] : [1, 1];
  const scrape = scrapeOf(load, readers, costs, assumed);
  const cores = (us: number): number => us / (assumed.utilisation * SECOND_US);
  const redisUs = redisFactor * (costs.redisPushUs + followers * costs.redisFollowUs);
  const uses: Record<string, number> = {
    'CPU time of an ingest process': cores(pushesPerSecond * (costs.takeUs / ingests + costs.ingestFollowUs)),
    'CPU time of a worker': cores((pushesPerSecond * workerFactor * costs.mergeUs) / workers),
    'CPU time of a reader': cores(pushesPerSecond * costs.readerFollowUs + scrape.us / scrape.everySeconds),
    'CPU time of a Redis master': cores((pushesPerSecond * redisUs) / masters),
    'network of a Redis master':
      redisTraffic(pushesPerSecond, followers, costs) / masters / assumed.networkBytesPerSecond,
    'memory of an ingest process': (groups * costs.ingestGroupBytes) / assumed.processBytes,
    'memory of a reader': (groups * costs.readerGroupBytes) / assumed.processBytes,
    'memory of a Redis master': (groups * costs.redisGroupBytes) / masters / assumed.redisBytes,
  };
  const [what, share] = largest(Object.entries(uses), ([, part]) => part);
  return { what, share };
}

/** The most pushes a second that a gateway takes with so many masters, and its processes then; groups are pushed once in `everySeconds`. */
export function mostWith(
  masters: number,
  everySeconds: number,
  costs: Costs,
  assumed: Assumptions,
): { pushesPerSecond: number; gateway: Gateway } | undefined {
  const gatewayAt = (pushesPerSecond: number): Gateway | undefined => {
    const gateway = sizeOf({ groups: pushesPerSecond * everySeconds, pushesPerSecond }, costs, assumed);
    return gateway !== undefined && gateway.masters <= masters ? gateway : undefined;
  };
  let [low, high] = [0, SECOND_US];
  while (high - low > 1) {
    const middle = (low + high) / 2;
    if (gatewayAt(middle) === undefined) high = middle;
    else low = middle;
  }
  const gateway = gatewayAt(low);
  return gateway?.masters === masters ? { pushesPerSecond: low, gateway } : undefined;
}

/** So many gateways, each with the same part of the load, that the fewest processes do it. */
export function planOf(load: Load, costs: Costs, assumed: Assumptions): Plan {
  const MOST_GATEWAYS = 4_096;
  let best: Plan | undefined;
  for (let gateways = 1; gateways <= MOST_GATEWAYS; gateways++) {
    const part = { groups: load.groups / gateways, pushesPerSecond: load.pushesPerSecond / gateways };
    const gateway = sizeOf(part, costs, assumed);
    if (gateway === undefined) continue;
    const { ingests, workers, readers, masters } = gateway;
    const processes = gateways * (ingests + workers + readers + masters);
    if (best !== undefined && best.processes <= processes) continue;
    const redisBytesPerSecond = redisTraffic(part.pushesPerSecond, ingests + readers, costs) / masters;
    best = { gateways, gateway, processes, redisBytesPerSecond };
  }
  if (best === undefined) throw new Error(`no number of gateways up to ${MOST_GATEWAYS} is enough`);
  return best;
}

/** Prometheus servers that share the scrape; each is asked for again where two of them are to have the same. */
export function prometheusParts({ groups }: Load, assumed: Assumptions): number {
  return Math.max(1, Math.ceil((groups * assumed.samplesPerGroup) / assumed.scrapeSamples));
}

function redisTraffic(pushesPerSecond: number, followers: number, costs: Costs): number {
  return pushesPerSecond * (costs.redisPushBytes + followers * costs.redisFollowBytes);
}

function largest<T>([first, ...others]: readonly T[], of: (one: T) => number): T {
  if (first === undefined) throw new Error('there is nothing to choose from');
  return others.reduce((most, one) => (of(one) > of(most) ? one : most), first);
}
