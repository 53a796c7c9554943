/**
 * What the rest of the program may know about its settings: one frozen tree, every value already parsed and
 * checked. Durations are milliseconds (possibly fractional), sizes are bytes, an absent text is ''.
 *
 * Each leaf is filled from one row of the table in settings.ts; the few derived ones say so.
 */
export const roles = ['all', 'ingest', 'worker', 'reader'] as const;
export type Role = (typeof roles)[number];

export const redisModes = ['auto', 'single', 'sentinel', 'cluster'] as const;
export type RedisMode = (typeof redisModes)[number];

export const durabilities = ['memory', 'replica', 'disk'] as const;
export type Durability = (typeof durabilities)[number];

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

export const logFormats = ['logfmt', 'json'] as const;
export type LogFormat = (typeof logFormats)[number];

/** Where we listen. A `host` of '' means every interface; port 0 means any free one. */
export type ListenAddress = TcpAddress | UnixAddress;
/** Where Redis listens. */
export type RedisEndpoint = TcpAddress | UnixAddress;

export interface TcpAddress {
  readonly kind: 'tcp';
  readonly host: string;
  readonly port: number;
}

export interface UnixAddress {
  readonly kind: 'unix';
  readonly path: string;
}

/** `job` is anchored at both ends and has no flag that keeps state, so it may be shared. */
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
    /** Never empty: `:port` when no address was given. */
    readonly listen: readonly ListenAddress[];
    /** Listen on the sockets that systemd passes, and not on `listen`. */
    readonly systemdSocket: boolean;
    readonly configFile: string;
    readonly externalUrl: string;
    /** Derived from externalUrl: '' or '/path', without a slash at the end. For links in pages. */
    readonly externalPrefix: string;
    /** '' or '/path', without a slash at the end; externalPrefix when not given. For routes. */
    readonly routePrefix: string;
    readonly enableLifecycle: boolean;
    readonly enableAdminApi: boolean;
    readonly enableOpenMetrics: boolean;
    readonly telemetryInMetrics: boolean;
  };
  readonly redis: {
    /** `auto` remains only for one endpoint without a master name: then the server itself says what it is. */
    readonly mode: RedisMode;
    /** Never empty. The Sentinels in mode `sentinel`, the seeds in mode `cluster`; of no meaning if `embedded`. */
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
    /** Of one command; 0 = no limit. */
    readonly timeoutMs: number;
    /** Default TTL of what is pushed; 0 = never expires. */
    readonly expirationMs: number;
    readonly prefix: string;
    /** 0 = as they were laid out, or by the topology. */
    readonly shards: number;
    /** For durability `replica`: how many of them must have a push. */
    readonly waitReplicas: number;
    readonly embedded: boolean;
  };
  readonly dataDir: string;
  readonly push: {
    readonly timeoutMs: number;
    /** `replica` also when only `redis.waitReplicas` was given. */
    readonly durability: Durability;
    /** Pushes in the log above which new ones are refused; 0 = no limit. */
    readonly maxBacklog: number;
    /** Size of the log in Redis' memory above which new pushes are refused. */
    readonly maxBacklogBytes: number;
    /** Part of Redis' `maxmemory`, in percent, above which new pushes are refused. */
    readonly maxMemoryPercent: number;
    /** How long a push waits to be merged when the client does not ask; 0 = not at all. */
    readonly waitMs: number;
    readonly maxBodyBytes: number;
    readonly maxInflightBytes: number;
    /** 0 = no limit. */
    readonly maxSeriesPerPush: number;
    /** Those of each group counted: of a push to `/ingest` each series is one. 0 = no limit. */
    readonly maxFamiliesPerPush: number;
    readonly disableConsistencyCheck: boolean;
    readonly enableUtf8Names: boolean;
  };
  /** First match wins; none → redis.expirationMs. See ttlForJob. */
  readonly ttlRules: readonly TtlRule[];
  readonly ingest: { readonly threads: number };
  readonly worker: {
    readonly batchSize: number;
    readonly maxAttempts: number;
  };
  readonly deadLetter: {
    /** 0 = kept until dropped by hand. */
    readonly retentionMs: number;
  };
  readonly shutdown: {
    /** Until the port closes; not ready meanwhile. */
    readonly delayMs: number;
    readonly graceMs: number;
  };
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
}
