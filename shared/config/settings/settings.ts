/**
 * The table of settings, from which flags, variables, YAML keys, defaults, help and docs/configuration.md are made. To
 * add a setting, add a leaf to `Config` and a row here. The order is that of the help; the predecessor's come first.
 */
import { CROSS_ORIGIN_POLICIES, DURABILITIES, LOG_FORMATS, LOG_LEVELS, REDIS_MODES } from '../config.ts';
import {
  addressRanges,
  bytes,
  duration,
  externalUrl,
  flag,
  hostNames,
  integer,
  listenAddresses,
  oneOf,
  positiveDuration,
  redisEndpoints,
  requiredText,
  routePrefix,
  matching,
  text,
  urlPath,
} from './kinds.ts';
import { ignoredSetting, type Setting, setting } from './setting.ts';

const UNLIMITED = Number.MAX_SAFE_INTEGER;
/** Part of key names and of notification patterns, so braces, blanks and wildcards are refused. */
const keyPrefix = matching(/^[\w.:-]{1,64}$/, '1 to 64 letters, digits, or any of _ . : -');

const predecessor: readonly Setting[] = [
  setting('config.file', 'configFile', text, { yaml: null, help: 'Configuration file path (YAML).' }),
  setting('port', 'port', integer(0, 65535), { short: 'p', default: '9753', yaml: 'port', help: 'Port; 0 for any.' }),
  setting('tls.enabled', 'tls.enabled', flag, { yaml: 'tls_enabled', help: 'Enable TLS.' }),
  setting('tls.key', 'tls.keyFile', text, {
    yaml: 'tls_key_path',
    help: 'Path to the server key.',
  }),
  setting('tls.cert', 'tls.certFile', text, {
    yaml: 'tls_cert_path',
    help: 'Path to the server certificate.',
  }),
  setting('metrics.path', 'paths.metrics', urlPath, {
    short: 'm',
    aliases: ['web.telemetry-path'],
    default: '/metrics',
    yaml: 'metrics_path',
    help: 'Metrics URL path, for scrapes.',
  }),
  setting('telemetry.path', 'paths.telemetry', urlPath, {
    short: 't',
    default: '/telemetry',
    yaml: 'telemetry_path',
    help: 'Telemetry URL path.',
  }),
  setting('ingest.path', 'paths.ingest', urlPath, {
    short: 'i',
    default: '/ingest',
    yaml: 'ingest_path',
    help: 'Ingest URL path.',
  }),
  setting('redis.endpoint', 'redis.endpoints', redisEndpoints, {
    default: ':6379',
    help: 'Redis endpoints separated by commas: one server, Cluster seeds, or Sentinels if --redis.master-name is set.',
  }),
  setting('redis.expiration', 'redis.expirationMs', duration, {
    default: '5m',
    help: 'How long pushed metrics live after their last push; 0 = forever.',
  }),
  setting('log.level', 'log.level', oneOf(...LOG_LEVELS), {
    default: 'info',
    help: 'Only log messages with the given severity or above.',
  }),
  setting('log.format', 'log.format', oneOf(...LOG_FORMATS), {
    default: 'logfmt',
    help: 'Output format of log messages.',
  }),
];

const redis: readonly Setting[] = [
  setting('redis.mode', 'redis.mode', oneOf(...REDIS_MODES), {
    default: 'auto',
    help: 'Redis topology; auto chooses by --redis.master-name, the number of endpoints and what the server reports.',
  }),
  setting('redis.master-name', 'redis.masterName', text, { help: 'Name of the master that the Sentinels monitor.' }),
  setting('redis.username', 'redis.username', text, { help: 'Redis user.' }),
  setting('redis.password', 'redis.password', text, {
    secret: true,
    help: 'Redis password. Prefer --redis.password-file, the environment or the configuration file.',
  }),
  setting('redis.password-file', 'redis.passwordFile', text, { help: 'Path to a file with the Redis password.' }),
  setting('redis.sentinel-username', 'redis.sentinelUsername', text, { help: 'User for the Sentinels.' }),
  setting('redis.sentinel-password', 'redis.sentinelPassword', text, {
    secret: true,
    help: 'Password for the Sentinels.',
  }),
  setting('redis.db', 'redis.db', integer(0, 1_000_000), {
    default: '0',
    help: 'Redis database. A Cluster has only database 0.',
  }),
  ignoredSetting('redis.pool-size', integer(0, 1000), {
    default: '0',
    help: 'Accepted and ignored: each connection carries many commands at a time.',
  }),
  setting('redis.tls-enabled', 'redis.tls.enabled', flag, { help: 'Connect to Redis with TLS.' }),
  setting('redis.tls-ca', 'redis.tls.caFile', text, {
    help: 'Path to the CA certificates that verify the Redis server.',
  }),
  setting('redis.tls-cert', 'redis.tls.certFile', text, { help: 'Path to the client certificate for Redis.' }),
  setting('redis.tls-key', 'redis.tls.keyFile', text, { help: 'Path to the client key for Redis.' }),
  setting('redis.tls-skip-verify', 'redis.tls.skipVerify', flag, {
    help: 'Do not verify the certificate of the Redis server. DANGEROUS.',
  }),
  setting('redis.timeout', 'redis.timeoutMs', duration, {
    default: '5s',
    help: 'Time limit of one Redis command; 0 = no limit.',
  }),
  ignoredSetting('redis.idle-timeout', duration, {
    default: '0s',
    help: 'Accepted and ignored: connections are few and always in use.',
  }),
  ignoredSetting('redis.max-connection-age', duration, {
    default: '0s',
    help: 'Accepted and ignored: a connection is replaced when it fails.',
  }),
  setting('redis.prefix', 'redis.prefix', keyPrefix, { default: 'pgw', help: 'Prefix of all Redis keys.' }),
  setting('redis.shards', 'redis.shards', integer(0, 1024), {
    default: '0',
    help: 'Number of shards, fixed when a prefix is first used; 0 = as fixed, at first use 16 on a Cluster, else 1.',
  }),
  setting('redis.wait-replicas', 'redis.waitReplicas', integer(0, 16), {
    default: '0',
    help: 'Replicas that must have a push before it is acknowledged; above 0 implies --push.durability=replica.',
  }),
  setting('redis.embedded', 'redis.embedded', flag, {
    help: 'Start and supervise a private redis-server that keeps its data in --data.dir.',
  }),
  setting('data.dir', 'dataDir', requiredText, { default: './data', help: 'Data directory of the embedded Redis.' }),
];

const push: readonly Setting[] = [
  setting('push.timeout', 'push.timeoutMs', positiveDuration, {
    default: '30s',
    help: 'How long a push is held while Redis is unavailable, before it is answered 503.',
  }),
  setting('push.durability', 'push.durability', oneOf(...DURABILITIES), {
    default: 'memory',
    help: 'Where a push must be stored before it is acknowledged: in memory, on replicas as well, or on disk.',
  }),
  setting('push.max-backlog', 'push.maxBacklog', integer(0, 1_000_000_000), {
    default: '1000000',
    help: 'Unmerged pushes above which new ones are refused (429) until their number falls by a fifth; 0 = no limit.',
  }),
  setting('push.max-backlog-bytes', 'push.maxBacklogBytes', bytes, {
    default: '1GiB',
    help: 'Memory of unmerged pushes in Redis above which new ones are refused (429) until it falls by a fifth.',
  }),
  setting('push.max-memory-percent', 'push.maxMemoryPercent', integer(1, 100), {
    default: '85',
    help: "Percentage of Redis' maxmemory above which pushes are refused (503), because merging needs memory.",
  }),
  setting('push.wait', 'push.waitMs', duration, {
    default: '0s',
    help: 'How long a push waits to be merged (200 instead of 202) if the client does not say; 0 = not at all.',
  }),
  setting('push.max-body-bytes', 'push.maxBodyBytes', bytes, {
    default: '16MiB',
    help: 'Size limit of a push, after decompression.',
  }),
  setting('push.max-inflight-bytes', 'push.maxInflightBytes', bytes, {
    default: '256MiB',
    help: 'Memory limit of all pushes in flight; above it unfinished uploads give way, and pushes are answered 429.',
  }),
  setting('push.max-series-per-push', 'push.maxSeriesPerPush', integer(0, UNLIMITED), {
    default: '500000',
    help: 'Maximum number of series in one push; 0 = no limit.',
  }),
  setting('push.max-families-per-push', 'push.maxFamiliesPerPush', integer(0, UNLIMITED), {
    default: '20000',
    help: 'Maximum number of families in one push, counted per group; 0 = no limit.',
  }),
  setting('push.disable-consistency-check', 'push.disableConsistencyCheck', flag, {
    help: 'Do not check consistency of pushed metrics. DANGEROUS.',
  }),
  setting('push.enable-utf8-names', 'push.enableUtf8Names', flag, {
    help: 'Allow UTF-8 characters in metric and label names.',
  }),
];

const web: readonly Setting[] = [
  setting('web.listen-address', 'web.listen', listenAddresses, {
    defaultNote: 'all interfaces, on --port',
    help: 'Address to listen on: host:port, :9091, [::1]:9091 or unix:/path. Repeatable; replaces --port.',
  }),
  setting('web.systemd-socket', 'web.systemdSocket', flag, {
    help: 'Use systemd socket activation listeners instead of port listeners (Linux only).',
  }),
  setting('web.config.file', 'web.configFile', text, {
    help: 'Path to a web configuration file (TLS, basic authentication), as for the Prometheus exporter toolkit.',
  }),
  setting('web.external-url', 'web.externalUrl', externalUrl, {
    help: 'The URL under which the Pushgateway is externally reachable.',
  }),
  setting('web.route-prefix', 'web.routePrefix', routePrefix, {
    defaultNote: 'the path of --web.external-url',
    help: 'Prefix for the internal routes of web endpoints.',
  }),
  setting('web.trusted-proxies', 'web.trustedProxies', addressRanges, {
    help: 'Proxies whose X-Forwarded-For header names the client: 10.0.0.0/8, fd00::/8, or unix. Repeatable.',
  }),
  setting('web.allowed-hosts', 'web.allowedHosts', hostNames, {
    defaultNote: 'any',
    help: 'Names that clients may use for this server: gateway.example, *.example. Repeatable. Addresses always may.',
  }),
  setting('web.cross-origin-pushes', 'web.crossOriginPushes', oneOf(...CROSS_ORIGIN_POLICIES), {
    default: 'allow',
    help: 'Pushes that a browser sends for a page of another origin.',
  }),
  setting('web.max-connections', 'web.maxConnections', integer(1, 1_000_000), {
    default: '10000',
    help: 'Maximum number of connections; above it idle ones are closed, and new ones if there are none.',
  }),
  setting('web.keep-alive-timeout', 'web.keepAliveTimeoutMs', positiveDuration, {
    default: '620s',
    help: 'How long an idle connection is kept. Should be longer than a load balancer keeps it.',
  }),
  setting('web.body-timeout', 'web.bodyTimeoutMs', positiveDuration, {
    default: '30s',
    help: 'How long the body of a request may make no progress, before it is answered 408.',
  }),
  setting('web.answer-timeout', 'web.answerTimeoutMs', positiveDuration, {
    default: '30s',
    help: 'How long a client may read nothing of an answer, before the connection is closed.',
  }),
  setting('web.max-buffered-bytes', 'web.maxBufferedBytes', bytes, {
    default: '128MiB',
    help: 'Memory of unread bodies and answers, besides the largest answer; above it the largest client loses its own.',
  }),
  setting('web.enable-lifecycle', 'web.enableLifecycle', flag, { help: 'Enable shutdown via HTTP request.' }),
  setting('web.enable-admin-api', 'web.enableAdminApi', flag, {
    help: 'Enable API endpoints for admin control actions.',
  }),
  setting('web.enable-openmetrics', 'web.enableOpenMetrics', flag, {
    help: 'Serve OpenMetrics to scrapers that request it.',
  }),
  setting('web.telemetry-in-metrics', 'web.telemetryInMetrics', flag, {
    help: "Add the gateway's own metrics to the metrics path, as the official gateway does.",
  }),
];

const operation: readonly Setting[] = [
  setting('ingest.threads', 'ingest.threads', integer(1, 1024), {
    default: ({ cores }) => String(Math.max(1, cores - 1)),
    defaultNote: 'cores - 1, at least 1',
    help: 'Number of threads that parse large pushes; one more is for those that take little time.',
  }),
  setting('worker.batch-size', 'worker.batchSize', integer(1, 10_000), {
    default: '256',
    help: 'Maximum number of pushes merged at once.',
  }),
  setting('worker.max-attempts', 'worker.maxAttempts', integer(1, 1000), {
    default: '5',
    help: 'Attempts to merge a push before it becomes a dead letter.',
  }),
  setting('dead-letter.retention', 'deadLetter.retentionMs', duration, {
    default: '168h',
    help: 'How long dead letters are kept; 0 = until deleted through the API.',
  }),
  setting('shutdown.delay', 'shutdown.delayMs', duration, {
    default: '0s',
    help: 'On shutdown: how long requests are still served while the ready probe fails, so that load balancers notice.',
  }),
  setting('shutdown.grace', 'shutdown.graceMs', duration, {
    default: '30s',
    help: 'On shutdown: time limit, after the delay, for requests in flight to finish.',
  }),
  ignoredSetting('persistence.file', text, { help: 'Accepted and ignored: all state is kept in Redis.' }),
  ignoredSetting('persistence.interval', duration, {
    default: '5m',
    help: 'Accepted and ignored: all state is kept in Redis.',
  }),
];

export const SETTINGS: readonly Setting[] = [...predecessor, ...redis, ...push, ...web, ...operation];

/** By flag name, aliases included. */
export const SETTING_BY_FLAG: ReadonlyMap<string, Setting> = new Map(
  SETTINGS.flatMap((row) => [row.name, ...row.aliases].map((name) => [name, row] as const)),
);
