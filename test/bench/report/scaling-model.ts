/**
 * Computes from measured costs how many processes a load needs. Pure.
 *
 *     gateway    one prefix: its ingest, worker and reader processes, its Redis masters
 *     follow     to fetch each group that changed: readers for their snapshot, ingest processes for their catalogue
 *
 * Processes share the work of accepting, merging and storing a push. They do not share following: each follower pays
 * for every push of its gateway, and Redis pays for each follower. One gateway therefore has a maximum rate, whatever
 * is added to it; beyond it, several gateways are needed.
 *
 * A scrape costs little per group, and much per part of the text that has changed since the last scrape of this reader:
 * the part is joined and compressed again, once for all scrapes of that version.
 */

/** CPU time in µs, sizes in bytes. */
export interface Costs {
  /** CPU time of an ingest process for a push that it accepts, without following it. */
  readonly takeUs: number;
  readonly ingestFollowUs: number;
  readonly mergeUs: number;
  readonly readerFollowUs: number;
  /** CPU time of Redis for a push, without followers. */
  readonly redisPushUs: number;
  readonly redisFollowUs: number;
  /** CPU time of a reader for an unchanged group in a scrape with gzip, which Prometheus requests. */
  readonly scrapeUs: number;
  /** CPU time of a reader to join and compress a part of the text that has changed. */
  readonly partUs: number;
  readonly partBytes: number;
  /** Number of places in the text that a push changes: its families and the push time. */
  readonly changesPerPush: number;
  readonly scrapeBytes: number;
  readonly gzipScrapeBytes: number;
  readonly redisGroupBytes: number;
  readonly readerGroupBytes: number;
  readonly ingestGroupBytes: number;
  /**
   * CPU time of a push on a Cluster, relative to a single server: of the masters, and of the worker, which calls each
   * shard.
   */
  readonly clusterRedis: number;
  readonly clusterWorker: number;
  /** Traffic of Redis for a push, without followers. */
  readonly redisPushBytes: number;
  readonly redisFollowBytes: number;
}

/** Decisions of the operator, which are not measured. */
export interface Assumptions {
  /** Share of a core that a process may use: each is one thread, apart from garbage collection and gzip. */
  readonly utilisation: number;
  readonly processBytes: number;
  readonly redisBytes: number;
  readonly networkBytesPerSecond: number;
  readonly scrapeSeconds: number;
  /** Maximum number of samples in one scrape. */
  readonly scrapeSamples: number;
  readonly samplesPerGroup: number;
  /** Minimum number of processes of each role, so that one may fail. */
  readonly least: number;
  /** Number of shards on a Cluster. */
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
  /** Of each gateway. */
  readonly gateway: Gateway;
  /** Number of processes and masters of all gateways. */
  readonly processes: number;
  /** Traffic of the busiest Redis master, bytes/s. */
  readonly redisBytesPerSecond: number;
}

/** A limit of one gateway that adding processes does not lift. */
export interface Limit {
  readonly what: string;
  readonly most: Partial<Load>;
  /** The load as a share of the limit; 1 = reached. */
  readonly share: (load: Load) => number;
}

const SECOND_US = 1e6;
/** Number of readers above which the search ends: following leaves them almost no time. */
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

/** The limit that a load reaches first. */
export function firstLimit(limits: readonly Limit[], load: Load): Limit {
  return largest(limits, (limit) => limit.share(load));
}

/** Number of parts of the text that have changed after `seconds`, if changes are distributed evenly. */
export function changedParts({ groups, pushesPerSecond }: Load, seconds: number, costs: Costs): number {
  const parts = (groups * costs.scrapeBytes) / costs.partBytes;
  return parts * (1 - Math.exp((-costs.changesPerPush * pushesPerSecond * seconds) / parts));
}

/**
 * For each of the readers that share the scrapes: µs per scrape of everything, and seconds until the next one. Scrapes
 * are evenly spaced, which is the worst case. There are as many Prometheus servers per partition as processes of a
 * role.
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

/** The processes that one gateway needs; undefined if no number is enough. */
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
  // A Cluster has at least three masters. Several shards for each can be distributed evenly.
  const nodes = masters === 1 ? 1 : Math.max(3, masters);
  const shards = nodes === 1 ? 1 : Math.max(assumed.shards, 2 ** Math.ceil(Math.log2(4 * nodes)));
  return { ingests, workers, readers, masters: nodes, shards };
}

/** The bottleneck of a gateway, and its utilisation: at 1, these processes can take no more pushes or groups. */
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

/**
 * Maximum rate of a gateway with this number of masters, and its processes; groups are pushed once per `everySeconds`.
 */
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

/** The number of gateways, with equal shares of the load, that needs the fewest processes. */
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

/** Number of Prometheus servers that share the scrape; twice as many for redundant pairs. */
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
