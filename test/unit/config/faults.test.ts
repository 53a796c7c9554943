import { describe, expect, test } from 'vitest';
import { loadConfig, type LoadInput } from '../../../shared/config/read/load.ts';
import { describeConfig } from '../../../shared/config/describe.ts';

function faultsOf(argv: readonly string[], env: LoadInput['env'] = {}, files: Record<string, string> = {}) {
  const readFile = (path: string) => {
    const content = files[path];
    if (content === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return content;
  };
  const loaded = loadConfig({ argv, env, readFile, host: { cores: 2 } });
  const faults = loaded.kind === 'invalid' ? loaded.faults : [];
  for (const fault of faults) expect(fault).not.toMatch(/[\n\r]/);
  return faults;
}

/** Compares the beginnings of the faults. */
function expectFaults(faults: readonly string[], beginnings: readonly string[]) {
  expect(faults.map((fault, index) => fault.slice(0, beginnings[index]?.length ?? 500))).toEqual(beginnings);
}

describe('flags', () => {
  test.each<[string[], ...string[]]>([
    [['--prot=1'], 'cannot use unknown flag --prot: did you mean --port?'],
    [['--web.sytemd-sock'], 'cannot use unknown flag --web.sytemd-sock: '],
    [['--zzzzzzzzzzzzzzzzzzzzzz'], 'cannot use unknown flag --zzzzzzzzzzzzzzzzzzzzzz: see pushgateway --help'],
    [['-x'], 'cannot use unknown flag -x: see pushgateway --help'],
    [['--no-port'], 'cannot use unknown flag --no-port: '],
    [['--port'], 'cannot use --port: expected a value, as in --port=VALUE'],
    [
      ['--redis.endpoint', '--port=1'],
      'cannot use --redis.endpoint "--port=1": expected a value, as in --redis.endpoint=VALUE',
    ],
    [['-p', 'x'], 'cannot use -p "x": expected a whole number from 0 to 65535'],
    [['--port=65536'], 'cannot use --port "65536": expected a whole number'],
    [['--port='], 'cannot use --port "": expected a whole number'],
    [['--tls.enabled=maybe'], 'cannot use --tls.enabled "maybe": expected true or false'],
    [['--no-tls.enabled=true'], 'cannot use --no-tls.enabled "true": expected no value'],
    [['workre'], 'cannot use role "workre": expected one of all, ingest, worker, reader'],
    [['worker', 'reader'], 'cannot use argument "reader": expected one role at most'],
    [['--log.level=trace'], 'cannot use --log.level "trace": expected one of debug, info, warn, error'],
    [['--log.format=xml'], 'cannot use --log.format "xml": expected one of logfmt, json'],
    [['--redis.expiration=5 parsecs'], 'cannot use --redis.expiration "5 parsecs": expected a duration such as '],
    [['--redis.expiration', '-5m'], 'cannot use --redis.expiration "-5m": expected a duration that is not negative'],
    [['--push.timeout=0'], 'cannot use --push.timeout "0": expected a duration above 0'],
    [['--push.max-body-bytes=0'], 'cannot use --push.max-body-bytes "0": expected a size'],
    [
      ['--push.max-body-bytes=1GiB'],
      'cannot use --push.max-inflight-bytes "256MiB": expected at least --push.max-body-bytes, which is 1GiB',
    ],
    [['--redis.shards=1025'], 'cannot use --redis.shards "1025": expected a whole number from 0 to 1024'],
    [['--redis.prefix={x}'], 'cannot use --redis.prefix "{x}": expected 1 to 64 letters'],
    [['--data.dir='], 'cannot use --data.dir "": expected a text'],
    [['--redis.endpoint=h:x'], 'cannot use --redis.endpoint "h:x": expected host:port'],
    [['--web.listen-address=9091'], 'cannot use --web.listen-address "9091": expected host:port'],
    [['--web.external-url=x'], 'cannot use --web.external-url "x": expected a URL'],
    [['--metrics.path=metrics'], 'cannot use --metrics.path "metrics": expected a path such as /metrics'],
    [['--metrics.path=/ingest'], 'cannot use --metrics.path "/ingest": expected a path different from --ingest.path'],
    [
      ['--ingest.path=/metrics/'],
      'cannot use --ingest.path "/metrics/": expected a path different from --metrics.path',
    ],
    [['-t/status'], 'cannot use -t "/status": expected a path that neither the API nor the web page uses'],
    [['-i', '/metrics/job/x'], 'cannot use -i "/metrics/job/x": expected a path that neither'],
    [['-m/'], 'cannot use -m "/": expected a path that neither'],
    [['--tls.enabled', '--tls.key=k'], 'cannot use --tls.enabled "true": expected --tls.cert'],
    [['--tls.enabled', '--tls.cert=c'], 'cannot use --tls.enabled "true": expected --tls.key'],
    [['--redis.tls-cert=c'], 'cannot use --redis.tls-cert "c": expected --redis.tls-key as well'],
    [['--redis.tls-key=k'], 'cannot use --redis.tls-key "k": expected --redis.tls-cert as well'],
    [
      ['--redis.endpoint=a,b', '--redis.db=1'],
      'cannot use --redis.db "1": expected database 0, the only one of a Cluster',
    ],
    [['--redis.mode=cluster', '--redis.db=1'], 'cannot use --redis.db "1": expected database 0'],
    [
      ['--redis.endpoint=redis://a/1,redis://b/1'],
      'cannot use --redis.endpoint "redis://a/1,redis://b/1": expected database 0',
    ],
    [['--redis.mode=sentinel'], 'cannot use --redis.mode "sentinel": expected --redis.master-name as well'],
    [['--redis.mode=single', '--redis.endpoint=a,b'], 'cannot use --redis.endpoint "a,b": expected one endpoint'],
    [['--redis.mode=single', '--redis.master-name=m'], 'cannot use --redis.master-name "m": expected --redis.mode'],
    [['--redis.endpoint=/a,/b'], 'cannot use --redis.endpoint "/a,/b": expected no Unix socket in mode cluster'],
    [
      ['--redis.embedded', '--redis.endpoint=a'],
      'cannot use --redis.endpoint "a": expected none with --redis.embedded',
    ],
    [['--redis.embedded', '--redis.mode=cluster'], 'cannot use --redis.mode "cluster": expected auto or single'],
    [['--redis.embedded', 'worker'], 'cannot use role "worker": expected all with --redis.embedded'],
    [
      ['--redis.endpoint=redis://h/1', '--redis.db=2'],
      'cannot use --redis.endpoint "redis://h/1": --redis.db has another value',
    ],
    [
      ['--redis.endpoint=rediss://h', '--no-redis.tls-enabled'],
      'cannot use --redis.endpoint "rediss://h": --no-redis.tls-enabled has',
    ],
    [['--redis.password-file=f'], 'cannot use --redis.password-file "f": expected a file that can be read'],
    [['--config.file=f'], 'cannot use --config.file "f": expected a file that can be read, got ENOENT'],
    [['--port=a\nlevel=error \u202e'], String.raw`cannot use --port "a\nlevel=error \u202e": `],
    [['--evil\nflag'], String.raw`cannot use unknown flag "--evil\nflag": `],
  ])('%j', (argv, ...beginnings) => {
    expectFaults(faultsOf(argv), beginnings);
  });

  test('faults of flags, variables and file are reported together', () => {
    const faults = faultsOf(
      ['--prot=1', '--log.level=x', 'bogus', '--config.file=f'],
      { PUSHGATEWAY_PROT: '1', PUSHGATEWAY_REDIS_SHARDS: '-1', OTHER: 'x' },
      { f: 'prot: 1\nredis: {timeout: 1}\n' },
    );
    expectFaults(
      faults,
      [
        'cannot use unknown flag --prot: did you mean --port?',
        'cannot use role "bogus"',
        'cannot use unknown variable PUSHGATEWAY_PROT: did you mean PUSHGATEWAY_PORT?',
        'cannot use unknown key prot (f, line 1): did you mean port?',
        'cannot use --log.level "x"',
        'cannot use redis.timeout "1" (f, line 2): expected a duration',
        'cannot use PUSHGATEWAY_REDIS_SHARDS "-1": expected a whole number from 0 to 1024',
      ].toSorted((a, b) => order(faults, a) - order(faults, b)),
    );
    expect(faults).toHaveLength(7);
  });
});

/** Index of the fault with this beginning; the order of faults from one source is not fixed. */
const order = (faults: readonly string[], beginning: string) =>
  faults.findIndex((fault) => fault.startsWith(beginning));

describe('the file', () => {
  test.each<[string, ...string[]]>([
    ['redis: {enpoint: x}', 'cannot use unknown key redis.enpoint (f, line 1): did you mean redis.endpoint?'],
    ['\n\nredis_endpoint: x', 'cannot use unknown key redis_endpoint (f, line 3): did you mean redis.endpoint?'],
    ['port: [1, 2]', 'cannot use port (f, line 1): expected one value'],
    ['port: {a: 1}', 'cannot use port (f, line 1): expected one value'],
    ['redis: 5', 'cannot use redis (f, line 1): expected keys below it'],
    ['[1]', 'cannot use the file (f, line 1): expected keys such as port: 9753'],
    ['just words', 'cannot use the file (f, line 1): expected keys'],
    ['port: 1\nport: 2', 'cannot read f, line 2: expected YAML, found: duplicate key'],
    ['a: [', 'cannot read f, line 1: expected YAML, found: '],
    ['redis:\n  timeout: -1s', 'cannot use redis.timeout "-1s" (f, line 2): expected a duration that is not negative'],
    [
      'tls_enabled: true',
      'cannot use tls_enabled "true" (f, line 1): expected --tls.key',
      'cannot use tls_enabled "true" (f, line 1): expected --tls.cert',
    ],
    ['ttl_rules: 5', 'cannot use ttl_rules (f, line 1): expected a list of {job: PATTERN, ttl: DURATION}'],
    ['ttl_rules: [{job: a, tll: 5m}]', 'cannot use ttl_rules[0] (f, line 1): expected a list'],
    ['ttl_rules: [{job: a}]', 'cannot use ttl_rules[0].ttl (f'],
    [
      'ttl_rules:\n- {job: a, ttl: 1s}\n- {job: "(", ttl: 5}',
      'cannot use ttl_rules[1].job "(" (f, line 3): expected a regular',
      'cannot use ttl_rules[1].ttl "5" (f, line 3): expected a duration',
    ],
    ['config: {file: x}', 'cannot use unknown key config'],
    ['? [a]\n: 1', 'cannot use unknown key "?" (f, line 1)'],
  ])('%j', (f, ...beginnings) => {
    expectFaults(faultsOf(['--config.file=f'], {}, { f }), beginnings);
  });
});

describe('secrets stay secret', () => {
  const files = {
    badYaml: 'redis:\n  password: *hunter2\n',
    tagged: 'redis:\n  password: !hunter2 x\n',
    list: 'redis: {password: [hunter2]}',
    unknown: 'redis: {pasword: hunter2}',
    twoLines: 'hunter2\nhunter2\n',
    one: 'hunter2',
  };
  test.each<[string[], LoadInput['env']?]>([
    [['--redis.endpoint=redis://:hunter2@h:x']],
    [['--redis.endpoint=redis://:hunter2']],
    [['--redis.endpoint=redis://u:a,hunter2@h']],
    [['--redis.endpoint=redis://u:hunter2/@h,b']],
    [['--redis.endpoint=redis://u:hunter2@h/x']],
    [['--redis.endpoint=u:hunter2@h:6379']],
    [['--redis.endpoint=redis://:hunter2@h', '--redis.password=other']],
    [['--redis.endpoint=redis://:hunter2@h', '--redis.master-name=m']],
    [['--redis.endpoint=redis://:hunter2@h', '--redis.embedded']],
    [['--redis.password', '--hunter2']],
    [['--redis.password=my', 'hunter2']],
    [['--redis.password', 'my', 'hunter2']],
    [['--redis.pasword', 'hunter2']],
    [['--redis.pasword=hunter2']],
    [['-ahunter2']],
    [['--redis.password=hunter2', '--redis.password-file=one']],
    [['--redis.password-file=twoLines']],
    [['--config.file=badYaml']],
    [['--config.file=tagged']],
    [['--config.file=list']],
    [['--config.file=unknown']],
    [[], { PUSHGATEWAY_REDIS_PASSWRD: 'hunter2' }],
    [[], { PUSHGATEWAY_REDIS_ENDPOINT: 'redis://:hunter2@h:x' }],
    [['--web.external-url=https://u:hunter2@h']],
  ])('%j %j', (argv, env) => {
    const faults = faultsOf(argv, env, files);
    expect(faults).not.toEqual([]);
    expect(faults.join('\n')).not.toContain('hunter2');
  });

  test('a described configuration hides secrets', () => {
    const argv = ['--redis.endpoint=redis://u:hunter2@h', '--redis.sentinel-password=hunter2'];
    const loaded = loadConfig({ argv, env: {} });
    if (loaded.kind !== 'config') throw new Error(loaded.kind);
    expect(loaded.config.redis.password).toBe('hunter2');
    const described = describeConfig(loaded.config);
    expect(described).toMatchObject({ 'redis.password': '<secret>', 'redis.endpoint': 'h:6379', port: '9753' });
    expect(JSON.stringify([described, loaded.warnings])).not.toContain('hunter2');
  });
});
