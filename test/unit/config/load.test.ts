import { describe, expect, test } from 'vitest';
import type { Config } from '../../../shared/config/config.ts';
import { describeConfig } from '../../../shared/config/describe.ts';
import { loadConfig, type Loaded, type LoadInput } from '../../../shared/config/read/load.ts';
import { SETTINGS } from '../../../shared/config/settings/settings.ts';
import { configFromFlags } from '../../support/config.ts';
import { isRecord } from '../../../shared/config/read/object-paths.ts';

const host = { cores: 4 };

/** `files` are the files of readFile, by path. */
function load(argv: readonly string[], env: LoadInput['env'] = {}, files: Record<string, string> = {}): Loaded {
  const readFile = (path: string) => {
    const content = files[path];
    if (content === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return content;
  };
  return loadConfig({ argv, env, readFile, host });
}

function good(loaded: Loaded): Config {
  expect(loaded).toMatchObject({ kind: 'config' });
  if (loaded.kind !== 'config') throw new Error('not a config');
  return loaded.config;
}

/** The flags as described, which suffices to compare values. */
const shown = (...argv: string[]) => describeConfig(good(load(argv)));

describe('defaults', () => {
  const config = good(load([]));

  test('are those of the predecessor', () => {
    expect(config).toMatchObject({
      role: 'all',
      port: 9753,
      paths: { metrics: '/metrics', telemetry: '/telemetry', ingest: '/ingest' },
      tls: { enabled: false, keyFile: '', certFile: '' },
      redis: {
        mode: 'auto',
        endpoints: [{ kind: 'tcp', host: 'localhost', port: 6379 }],
        expirationMs: 300_000,
        db: 0,
      },
      log: { level: 'info', format: 'logfmt' },
    });
  });

  test('of the other settings', () => {
    expect(config).toMatchObject({
      dataDir: './data',
      push: {
        timeoutMs: 30_000,
        waitMs: 0,
        maxBodyBytes: 16_777_216,
        maxInflightBytes: 268_435_456,
        maxSeriesPerPush: 500_000,
        maxFamiliesPerPush: 20_000,
      },
      redis: { prefix: 'pgw', shards: 0, embedded: false },
      web: { listen: [{ kind: 'tcp', host: '', port: 9753 }], routePrefix: '', externalPrefix: '' },
      ingest: { threads: 3 },
      worker: { batchSize: 256, maxAttempts: 5 },
      deadLetter: { retentionMs: 604_800_000 },
      shutdown: { delayMs: 0, graceMs: 30_000 },
      ttlRules: [],
    });
    expect(good(loadConfig({ argv: [], env: {}, host: { cores: 1 } })).ingest.threads).toBe(1);
  });

  test('are frozen down to the leaves', () => {
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));
    expect(frozen(good(load(['--config.file=c'], {}, { c: 'ttl_rules: [{job: a, ttl: 1s}]' })))).toBe(true);
  });

  test('every leaf has a row in the table, and every row its own leaf', () => {
    const leaves = (tree: object, at = ''): string[] =>
      Object.entries(tree).flatMap(([key, value]) => (isRecord(value) ? leaves(value, `${at}${key}.`) : [at + key]));
    const derived = new Set(['role', 'ttlRules', 'web.externalPrefix']);
    const paths = SETTINGS.flatMap(({ path }) => path ?? []);
    expect(
      leaves(config)
        .filter((leaf) => !derived.has(leaf))
        .toSorted(),
    ).toEqual(paths.toSorted());
    for (const key of ['name', 'env', 'short', 'yaml'] as const) {
      const names = SETTINGS.flatMap((row) => row[key] ?? []);
      expect(new Set(names).size).toBe(names.length);
    }
  });
});

describe('the command line, as kingpin reads it', () => {
  test.each<[string[], Record<string, string>]>([
    [['--port=1'], { port: '1' }],
    [['--port', '1'], { port: '1' }],
    [['-p', '1'], { port: '1' }],
    [['-p1'], { port: '1' }],
    [['-p1', '--port=2'], { port: '2' }],
    [['-m/a', '-t', '/b', '-i/c'], { 'metrics.path': '/a', 'telemetry.path': '/b', 'ingest.path': '/c' }],
    [['--web.telemetry-path=/a'], { 'metrics.path': '/a' }],
    [['--redis.tls-enabled'], { 'redis.tls-enabled': 'true' }],
    [['--redis.tls-enabled', '--no-redis.tls-enabled'], { 'redis.tls-enabled': 'false' }],
    [['--redis.tls-enabled=false'], { 'redis.tls-enabled': 'false' }],
    [['--redis.endpoint=a:1', '--redis.endpoint=b:2'], { 'redis.endpoint': 'b:2' }],
    [['--web.listen-address=:1', '--web.listen-address', '[::1]:2'], { 'web.listen-address': ':1,[::1]:2' }],
    [['--port=9091'], { 'web.listen-address': ':9091' }],
    [['--redis.expiration=0'], { 'redis.expiration': '0s' }],
    [['--redis.expiration=1h30m'], { 'redis.expiration': '1h30m0s' }],
    [['--push.max-body-bytes=1MB'], { 'push.max-body-bytes': '1000000' }],
    [['--redis.password=-x'], { 'redis.password': '<secret>' }],
    [['--redis.master-name=m', '--redis.endpoint=a,b'], { 'redis.mode': 'sentinel' }],
    [['--redis.endpoint=a,b'], { 'redis.mode': 'cluster' }],
    [['--redis.mode=cluster', '--redis.endpoint=a'], { 'redis.mode': 'cluster' }],
    [['--redis.endpoint=a'], { 'redis.mode': 'auto' }],
    [['--redis.endpoint=rediss://u:p@h/2'], { 'redis.db': '2', 'redis.username': 'u', 'redis.tls-enabled': 'true' }],
    [['--web.external-url=https://x/pgw/'], { 'web.route-prefix': '/pgw' }],
    [['--web.external-url=https://x/pgw', '--web.route-prefix=/'], { 'web.route-prefix': '' }],
  ])('%j', (argv, expected) => {
    expect(shown(...argv)).toMatchObject(expected);
  });

  test.each<[string[], string]>([
    [['worker'], 'worker'],
    [['reader', '--port=1'], 'reader'],
    [['--redis.tls-enabled', 'ingest'], 'ingest'],
    [['--redis.password', 'x', 'worker'], 'worker'],
    [['--', 'all'], 'all'],
  ])('%j is the role %s', (argv, role) => {
    expect(good(load(argv)).role).toBe(role);
  });

  test.each([['-h'], ['--help'], ['--help-long'], ['worker', '-p', 'x', '-h']])('%j %j asks for help', (...argv) => {
    expect(load(argv).kind).toBe('help');
  });

  test('--version', () => {
    expect(load(['--version', '--help'])).toMatchObject({
      kind: 'version',
      text: /^pushgateway, version \d+\.\d+\.\d+ /,
    });
  });

  test('the help keeps the lines of the predecessor, and the width of the terminal', () => {
    const help = load(['--help'], { COLUMNS: '80' });
    if (help.kind !== 'help') throw new Error(help.kind);
    expect(help.text).toMatch(
      /^usage: pushgateway \[<flags>\] \[<role>\]\n\nThe Prometheus Redis Pushgateway\n\nFlags:\n {2}-h, --help {24}Show/,
    );
    expect(help.text).toContain(
      '\n  -p, --port=9753                   Port; 0 for any.\n      --tls.enabled                 Enable TLS.\n' +
        '      --tls.key=TLS.KEY             Path to the server key.\n',
    );
    expect(help.text).toContain('\n  -t, --telemetry.path="/telemetry" Telemetry URL path.\n');
    for (const line of help.text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    for (const { name } of SETTINGS) expect(help.text).toContain(`--${name}`);
  });
});

describe('environment and file', () => {
  const yaml = `
port: 1
metrics_path: /m
telemetry_path: /t
ingest_path: /i
tls_enabled: yes
tls_key_path: k
tls_cert_path: c
redis:
  endpoint: [s1, 's2:26380']
  master_name: mymaster
  timeout: 2s
  expiration: 0
  db: 3
  pool_size: 10
  password: 0123
  tls_enabled: true
  tls_skip_verify: true
  idle_timeout: 5m
  max_connection_age: 1h
push: { max_body_bytes: 1KiB }
web: { listen_address: [':1', ':2'], config: }
dead_letter: { retention: 1h }
ttl_rules:
  - { job: 'backup-.*', ttl: 36h }
`;

  test('the keys of the predecessor and of the other settings', () => {
    const config = good(load(['--config.file=f'], {}, { f: yaml.replace(', config:', '') }));
    expect(config).toMatchObject({
      configFile: 'f',
      port: 1,
      paths: { metrics: '/m', telemetry: '/t', ingest: '/i' },
      tls: { enabled: true, keyFile: 'k', certFile: 'c' },
      redis: {
        mode: 'sentinel',
        endpoints: [
          { host: 's1', port: 6379 },
          { host: 's2', port: 26380 },
        ],
        masterName: 'mymaster',
        timeoutMs: 2_000,
        expirationMs: 0,
        db: 3,
        password: '0123',
        tls: { enabled: true, skipVerify: true },
      },
      push: { maxBodyBytes: 1_024 },
      web: { listen: [{ port: 1 }, { port: 2 }] },
      deadLetter: { retentionMs: 3_600_000 },
    });
  });

  test('a flag takes precedence over the environment, that over the file, that over the default', () => {
    const files = { f: 'port: 1\nlog: {level: debug, format: json}\nredis: {prefix: file}' };
    const env = { PUSHGATEWAY_CONFIG_FILE: 'f', PUSHGATEWAY_PORT: '2', PUSHGATEWAY_LOG_LEVEL: 'warn' };
    const config = good(load(['-p3'], env, files));
    expect(config).toMatchObject({
      port: 3,
      log: { level: 'warn', format: 'json' },
      redis: { prefix: 'file', shards: 0 },
    });
  });

  test('an empty variable or key counts as not set', () => {
    const files = { f: 'port: 1\nredis:\nlog: {level: }\nttl_rules:' };
    expect(good(load(['--config.file=f'], { PUSHGATEWAY_PORT: '' }, files)).port).toBe(1);
  });

  test('variables that Kubernetes sets for a Service are ignored', () => {
    const env = {
      PUSHGATEWAY_PORT: 'tcp://10.0.0.1:9753',
      PUSHGATEWAY_PORT_9753_TCP: 'tcp://10.0.0.1:9753',
      PUSHGATEWAY_PORT_9753_TCP_ADDR: '10.0.0.1',
      PUSHGATEWAY_PORT_9753_TCP_PROTO: 'tcp',
      PUSHGATEWAY_SERVICE_HOST: '10.0.0.1',
      PUSHGATEWAY_SERVICE_PORT: '9753',
      PUSHGATEWAY_SERVICE_PORT_HTTP: '9753',
      PUSHGATEWAY_REDIS_SERVICE_HOST: '10.0.0.2',
      PUSHGATEWAY_REDIS_PORT: 'tcp://10.0.0.2:6379',
      PATH: '/bin',
    };
    expect(good(load([], env)).port).toBe(9753);
  });

  test('a password is read from a file, without its line end', () => {
    const env = { PUSHGATEWAY_REDIS_PASSWORD_FILE: '/run/secret' };
    expect(good(load([], env, { '/run/secret': 'hunter2 \n' })).redis.password).toBe('hunter2 ');
  });

  test('a repeatable setting accepts commas in a variable', () => {
    expect(good(load([], { PUSHGATEWAY_WEB_LISTEN_ADDRESS: ':1,:2' })).web.listen).toHaveLength(2);
  });

  test('an empty file is accepted', () => {
    expect(good(load(['--config.file=f'], {}, { f: '' })).port).toBe(9753);
    expect(good(load(['--config.file=f'], {}, { f: '# nothing\n' })).port).toBe(9753);
  });
});

test.each<[string[], string[]]>([
  [['--persistence.file=x'], ['--persistence.file has no effect: everything is kept in Redis, not in a file']],
  [['--tls.key=x'], ['--tls.key has no effect: --tls.enabled is not set']],
  [
    ['--redis.sentinel-username=x'],
    ['--redis.sentinel-username has no effect: Redis is not reached through Sentinels'],
  ],
  [['-p1', '--web.listen-address=:2'], ['-p has no effect: --web.listen-address is given']],
  [['--redis.expiration=1h'], []],
])('%j warns', (argv, warnings) => {
  expect(load(argv)).toMatchObject({ kind: 'config', warnings });
});

test('configFromFlags', () => {
  expect(configFromFlags('--port=1', 'worker')).toMatchObject({ role: 'worker', port: 1 });
  expect(() => configFromFlags('--port=x')).toThrow(/^cannot use --port "x"/);
});
