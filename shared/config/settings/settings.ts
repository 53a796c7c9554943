/**
 * The table of settings. Flags, environment variables, YAML keys, defaults, the help and docs/configuration.md all
 * come from it: to add a setting, add a leaf to `Config` and a row here.
 *
 * The order is that of the help: what the predecessor had comes first.
 */
import { durabilities, logFormats, logLevels, redisModes } from '../config.ts';
import {
  bytes,
  duration,
  externalUrl,
  flag,
  integer,
  listenAddresses,
  oneOf,
  positiveDuration,
  redisEndpoints,
  requiredText,
  routePrefix,
  shaped,
  text,
  urlPath,
} from './kinds.ts';
import { ignoredSetting, type Setting, setting } from './setting.ts';

const many = Number.MAX_SAFE_INTEGER;
/** Becomes part of key names and of notification patterns: no braces, blanks or wildcards. */
const keyPrefix = shaped(/^[\w.:-]{1,64}$/, '1 to 64 letters, digits, or any of _ . : -');

const predecessor: readonly Setting[] = [
  setting('config.file', 'configFile', text, { yaml: null, help: 'Configuration file path (YAML).' }),
  setting('port', 'port', integer(0, 65535), { short: 'p', default: '9753', yaml: 'port', help: 'Service port.' }),
  setting('tls.enabled', 'tls.enabled', flag, { yaml: 'tls_enabled', help: 'Enable TLS.' }),
  setting('tls.key', 'tls.keyFile', text, { yaml: 'tls_key_path', help: 'Path to the server key.' }),
  setting('tls.cert', 'tls.certFile', text, { yaml: 'tls_cert_path', help: 'Path to the server certificate.' }),
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
    help: 'Redis endpoint(s), separated by commas: one server, Cluster seeds, or Sentinels if a master name is given.',
  }),
  setting('redis.expiration', 'redis.expirationMs', duration, {
    default: '5m',
    help: 'How long pushed metrics live after their last push; 0 = for ever.',
  }),
  setting('log.level', 'log.level', oneOf(...logLevels), {
    default: 'info',
    help: 'Only log messages with the given severity or above.',
  }),
  setting('log.format', 'log.format', oneOf(...logFormats), {
    default: 'logfmt',
    help: 'Output format of log messages.',
  }),
];

const redis: readonly Setting[] = [
  setting('redis.mode', 'redis.mode', oneOf(...redisModes), {
    default: 'auto',
    help: 'Redis topology; auto = by master name and number of endpoints.',
  }),
  setting('redis.master-name', 'redis.masterName', text, { help: 'Name of the master that the Sentinels watch.' }),
  setting('redis.username', 'redis.username', text, { help: 'Redis user.' }),
  setting('redis.password', 'redis.password', text, {
    secret: true,
    help: 'Redis password; better given by environment or file.',
  }),
  setting('redis.password-file', 'redis.passwordFile', text, { help: 'File that holds the Redis password.' }),
  setting('redis.sentinel-username', 'redis.sentinelUsername', text, { help: 'User for the Sentinels.' }),
  setting('redis.sentinel-password', 'redis.sentinelPassword', text, {
    secret: true,
    help: 'Password for the Sentinels.',
  }),
  setting('redis.db', 'redis.db', integer(0, 1_000_000), {
    default: '0',
    help: 'Redis database; a Cluster has only 0.',
  }),
  ignoredSetting('redis.pool-size', integer(0, 1000), {
    default: '0',
    help: 'Accepted and ignored: connections carry many commands at a time.',
  }),
  setting('redis.tls-enabled', 'redis.tls.enabled', flag, { help: 'Connect to Redis with TLS.' }),
  setting('redis.tls-ca', 'redis.tls.caFile', text, { help: 'CA certificate(s) to check Redis against.' }),
  setting('redis.tls-cert', 'redis.tls.certFile', text, { help: 'Client certificate for Redis.' }),
  setting('redis.tls-key', 'redis.tls.keyFile', text, { help: 'Client key for Redis.' }),
  setting('redis.tls-skip-verify', 'redis.tls.skipVerify', flag, {
    help: 'Do not check the certificate of Redis. DANGEROUS.',
  }),
  setting('redis.timeout', 'redis.timeoutMs', duration, {
    default: '5s',
    help: 'Time limit of one Redis command; 0 = none.',
  }),
  ignoredSetting('redis.idle-timeout', duration, {
    default: '0s',
    help: 'Accepted and ignored: connections are few and always in use.',
  }),
  ignoredSetting('redis.max-connection-age', duration, {
    default: '0s',
    help: 'Accepted and ignored: a connection is replaced when it fails.',
  }),
  setting('redis.prefix', 'redis.prefix', keyPrefix, { default: 'pgw', help: 'First part of every Redis key.' }),
  setting('redis.shards', 'redis.shards', integer(0, 1024), {
    default: '0',
    defaultNote: '0: 16 on a Cluster, else 1',
    help: 'Number of shards; fixed at first use of a prefix. 0 = what was fixed then.',
  }),
  setting('redis.wait-replicas', 'redis.waitReplicas', integer(0, 16), {
    default: '0',
    help: 'Replicas that must have a push before it is acknowledged; 1 or more means --push.durability=replica.',
  }),
  setting('redis.embedded', 'redis.embedded', flag, {
    help: 'Start and supervise a private redis-server that keeps its data in --data.dir.',
  }),
  setting('data.dir', 'dataDir', requiredText, { default: './data', help: 'Directory of the embedded Redis.' }),
];

const push: readonly Setting[] = [
  setting('push.timeout', 'push.timeoutMs', positiveDuration, {
    default: '30s',
    help: 'How long a push is held while Redis is not available, before it is answered 503.',
  }),
  setting('push.durability', 'push.durability', oneOf(...durabilities), {
    default: 'memory',
    help: 'What must have a push before it is acknowledged.',
  }),
  setting('push.max-backlog', 'push.maxBacklog', integer(0, 1_000_000_000), {
    default: '1000000',
    help: 'Pushes in the log above which new ones are refused (429) until it has shrunk by a fifth; 0 = no limit.',
  }),
  setting('push.max-backlog-bytes', 'push.maxBacklogBytes', bytes, {
    default: '1GiB',
    help: 'Memory of the log in Redis above which new pushes are refused (429) until it has shrunk by a fifth.',
  }),
  setting('push.max-memory-percent', 'push.maxMemoryPercent', integer(1, 100), {
    default: '85',
    help: "Part of Redis' maxmemory above which new pushes are refused (503): what is in the log needs room to be merged.",
  }),
  setting('push.wait', 'push.waitMs', duration, {
    default: '0s',
    help: 'How long a push waits to be merged (200 instead of 202) if the client does not say; 0 = not at all.',
  }),
  setting('push.max-body-bytes', 'push.maxBodyBytes', bytes, {
    default: '16MiB',
    help: 'Largest push, counted after decompression.',
  }),
  setting('push.max-inflight-bytes', 'push.maxInflightBytes', bytes, {
    default: '256MiB',
    help: 'Memory for pushes that are under way; above it they are answered 429.',
  }),
  setting('push.max-series-per-push', 'push.maxSeriesPerPush', integer(0, many), {
    default: '500000',
    help: 'Most series in one push; 0 = no limit.',
  }),
  setting('push.max-families-per-push', 'push.maxFamiliesPerPush', integer(0, many), {
    default: '20000',
    help: 'Most families in one push, those of each group counted; 0 = no limit.',
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
    defaultNote: 'every interface, at --port',
    help: 'Address to listen on: host:port, :9091, [::1]:9091 or unix:/path. Repeatable; --port is then not used.',
  }),
  setting('web.systemd-socket', 'web.systemdSocket', flag, {
    help: 'Use systemd socket activation listeners instead of port listeners (Linux only).',
  }),
  setting('web.config.file', 'web.configFile', text, {
    help: 'Path to a web configuration file (TLS, basic authentication), as of the Prometheus exporter toolkit.',
  }),
  setting('web.external-url', 'web.externalUrl', externalUrl, {
    help: 'The URL under which the Pushgateway is externally reachable.',
  }),
  setting('web.route-prefix', 'web.routePrefix', routePrefix, {
    defaultNote: 'the path of --web.external-url',
    help: 'Prefix for the internal routes of web endpoints.',
  }),
  setting('web.enable-lifecycle', 'web.enableLifecycle', flag, { help: 'Enable shutdown via HTTP request.' }),
  setting('web.enable-admin-api', 'web.enableAdminApi', flag, {
    help: 'Enable API endpoints for admin control actions.',
  }),
  setting('web.enable-openmetrics', 'web.enableOpenMetrics', flag, {
    help: 'Serve OpenMetrics to scrapers that ask for it.',
  }),
  setting('web.telemetry-in-metrics', 'web.telemetryInMetrics', flag, {
    help: 'Show our own telemetry in the metrics path too, as the official gateway does.',
  }),
];

const operation: readonly Setting[] = [
  setting('ingest.threads', 'ingest.threads', integer(1, 1024), {
    default: ({ cores }) => String(Math.max(1, cores - 1)),
    defaultNote: 'cores - 1, at least 1',
    help: 'Threads that read large pushes.',
  }),
  setting('worker.batch-size', 'worker.batchSize', integer(1, 10_000), {
    default: '256',
    help: 'Most pushes merged at once.',
  }),
  setting('worker.max-attempts', 'worker.maxAttempts', integer(1, 1000), {
    default: '5',
    help: 'Attempts at a push before it goes to the dead letters.',
  }),
  setting('dead-letter.retention', 'deadLetter.retentionMs', duration, {
    default: '168h',
    help: 'How long dead letters are kept; 0 = until dropped by hand.',
  }),
  setting('shutdown.delay', 'shutdown.delayMs', duration, {
    default: '0s',
    help: 'When stopped: time for load balancers to see that this process is not ready; it serves until then.',
  }),
  setting('shutdown.grace', 'shutdown.graceMs', duration, {
    default: '30s',
    help: 'When stopped: time after the delay for what is under way to finish.',
  }),
  ignoredSetting('persistence.file', text, { help: 'Accepted and ignored: everything is kept in Redis.' }),
  ignoredSetting('persistence.interval', duration, {
    default: '5m',
    help: 'Accepted and ignored: everything is kept in Redis.',
  }),
];

export const settings: readonly Setting[] = [...predecessor, ...redis, ...push, ...web, ...operation];

/** By flag name, aliases included. */
export const settingByFlag: ReadonlyMap<string, Setting> = new Map(
  settings.flatMap((row) => [row.name, ...row.aliases].map((name) => [name, row] as const)),
);
