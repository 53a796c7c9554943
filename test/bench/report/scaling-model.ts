/**
 * How many processes a load takes, reckoned from measured costs. Pure.
 *
 *     gateway    one prefix: its ingest, worker and reader processes, its Redis masters
 *     follow     to fetch each group that changed: readers do, for their snapshot; ingest processes, for their catalogue
 *
 * Taking, merging and storing a push is shared by those who do it. Following is not: each follower pays for every push of its gateway,
 * and Redis for each follower. So one gateway has a largest rate, whatever is added to it; past that it takes several.
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
  /** Of a reader, for a group in a scrape. */
  readonly scrapeUs: number;
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
  const [first, ...others] = limits;
  if (first === undefined) throw new Error('there are no limits');
  return others.reduce((worst, one) => (one.share(load) > worst.share(load) ? one : worst), first);
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
  // As often as there are Prometheus servers that must not fail together.
  const scrapesUs = (least * groups * costs.scrapeUs) / assumed.scrapeSeconds;
  const readers = atLeast(scrapesUs / readerLeftUs);
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
