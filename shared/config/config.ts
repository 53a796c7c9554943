/**
 * The settings as the rest of the program sees them: one frozen object, every value parsed and checked. Durations are
 * milliseconds (possibly fractional), sizes are bytes, an absent text is ''.
 *
 * Each leaf is filled from one row of the table in settings.ts; derived leaves say so.
 */
export const ROLES = ['all', 'ingest', 'worker', 'reader'] as const;
export type Role = (typeof ROLES)[number];

export const REDIS_MODES = ['auto', 'single', 'sentinel', 'cluster'] as const;
type RedisMode = (typeof REDIS_MODES)[number];

export const DURABILITIES = ['memory', 'replica', 'disk'] as const;
export type Durability = (typeof DURABILITIES)[number];

export const CROSS_ORIGIN_POLICIES = ['allow', 'refuse'] as const;
export type CrossOriginPolicy = (typeof CROSS_ORIGIN_POLICIES)[number];

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ['logfmt', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** An address to listen on. A `host` of '' means every interface, port 0 any free port. */
export type ListenAddress = TcpAddress | UnixAddress;
export type RedisEndpoint = TcpAddress | UnixAddress;

export interface TcpAddress {
  readonly kind: 'tcp';
  readonly host: string;
  readonly port: number;
}

interface UnixAddress {
  readonly kind: 'unix';
  readonly path: string;
}

/** `job` is anchored at both ends and has no flag that keeps state, so it can be shared. */
export interface TtlRule {
  readonly job: RegExp;
  /** 0 = never expires. */
  readonly ttlMs: number;
}

export interface Config {
  readonly role: Role;
  readonly configFile: string;
  readonly port: number;
  readonly paths: {
    readonly metrics: string;
    readonly telemetry: string;
    readonly ingest: string;
  };
  readonly tls: {
    readonly enabled: boolean;
    readonly keyFile: string;
    readonly certFile: string;
  };
  readonly web: {
    /** Never empty: by default `:port`. */
    readonly listen: readonly ListenAddress[];
    /** Listen on the sockets passed by systemd instead of `listen`. */
    readonly systemdSocket: boolean;
    readonly configFile: string;
    readonly externalUrl: string;
    /** For links in pages: '' or '/path', without a slash at the end. Derived from externalUrl. */
    readonly externalPrefix: string;
    /** For routes: '' or '/path', without a slash at the end; by default externalPrefix. */
    readonly routePrefix: string;
    /** Ranges in CIDR notation, or `unix`. */
    readonly trustedProxies: readonly string[];
    /** Lower case, `*.` for all names below; none: any. */
    readonly allowedHosts: readonly string[];
    readonly crossOriginPushes: CrossOriginPolicy;
    /** Connections of the process at a time. */
    readonly maxConnections: number;
    /** How long an idle connection is kept. */
    readonly keepAliveTimeoutMs: number;
    /** How long the body of a request may make no progress. */
    readonly bodyTimeoutMs: number;
    /** How long an answer may make no progress. */
    readonly answerTimeoutMs: number;
    /** Memory that all connections may hold, besides the largest answer. */
    readonly maxBufferedBytes: number;
    readonly enableLifecycle: boolean;
    readonly enableAdminApi: boolean;
    readonly enableOpenMetrics: boolean;
    readonly telemetryInMetrics: boolean;
  };
  readonly redis: {
    /** Remains `auto` only for one endpoint without a master name; the server is then asked for its mode. */
    readonly mode: RedisMode;
    /** Never empty. The Sentinels in mode `sentinel`, the seeds in mode `cluster`; unused if `embedded`. */
    readonly endpoints: readonly RedisEndpoint[];
    readonly masterName: string;
    readonly username: string;
    /** From the setting, its file, or a `redis://` endpoint. */
    readonly password: string;
    readonly passwordFile: string;
    readonly sentinelUsername: string;
    readonly sentinelPassword: string;
    readonly db: number;
    readonly tls: {
      readonly enabled: boolean;
      readonly caFile: string;
      readonly certFile: string;
      readonly keyFile: string;
      readonly skipVerify: boolean;
    };
    /** Time limit of one command; 0 = no limit. */
    readonly timeoutMs: number;
    /** Default TTL of pushed metrics; 0 = never expires. */
    readonly expirationMs: number;
    readonly prefix: string;
    /** 0 = as fixed at first use, or by the topology. */
    readonly shards: number;
    /** For durability `replica`: number of replicas that must have a push. */
    readonly waitReplicas: number;
    readonly embedded: boolean;
  };
  readonly dataDir: string;
  readonly push: {
    readonly timeoutMs: number;
    /** `replica` also if only `redis.waitReplicas` is set. */
    readonly durability: Durability;
    /** Number of pushes in the log above which new ones are refused; 0 = no limit. */
    readonly maxBacklog: number;
    /** Memory of the log in Redis above which new pushes are refused. */
    readonly maxBacklogBytes: number;
    /** Percentage of Redis' `maxmemory` above which new pushes are refused. */
    readonly maxMemoryPercent: number;
    /** How long a push waits to be merged if the client does not say; 0 = not at all. */
    readonly waitMs: number;
    readonly maxBodyBytes: number;
    readonly maxInflightBytes: number;
    /** 0 = no limit. */
    readonly maxSeriesPerPush: number;
    /** Counted per group: in a push to `/ingest` each series is a family. 0 = no limit. */
    readonly maxFamiliesPerPush: number;
    readonly disableConsistencyCheck: boolean;
    readonly enableUtf8Names: boolean;
  };
  /** The first match wins; without a match, redis.expirationMs. See ttlForJob. */
  readonly ttlRules: readonly TtlRule[];
  readonly ingest: { readonly threads: number };
  readonly worker: {
    readonly batchSize: number;
    readonly maxAttempts: number;
  };
  readonly deadLetter: {
    /** 0 = kept until deleted through the API. */
    readonly retentionMs: number;
  };
  readonly shutdown: {
    /** Time until the port closes, during which the ready probe fails. */
    readonly delayMs: number;
    readonly graceMs: number;
  };
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
}
