/** Checks settings against each other. */
import { formatBytes } from '../values/bytes.ts';
import type { Config } from '../config.ts';
import { fault, type RawSettings } from './raw-settings.ts';
import { quoteRedacted } from '../values/redact.ts';

interface Findings {
  readonly faults: readonly string[];
  readonly warnings: readonly string[];
}

export function checkTogether(config: Config, raw: RawSettings): Findings {
  const checks = [tlsFaults, redisTlsFaults, pathFaults, topologyFaults, embeddedFaults, pushFaults, durabilityFaults];
  return { faults: checks.flatMap((check) => [...check(config, raw)]), warnings: warningsOf(config, raw) };
}

/** Names the setting as the user wrote it, or by its flag and the value in force if it was not given. */
function faultOf(raw: RawSettings, name: string, inForce: string, why: string): string {
  const entry = raw.get(name);
  return entry === undefined ? `cannot use --${name} ${quoteRedacted(inForce)}: ${why}` : fault(entry, why);
}

function* tlsFaults({ tls }: Config, raw: RawSettings): Iterable<string> {
  if (!tls.enabled) return;
  if (tls.keyFile === '') yield faultOf(raw, 'tls.enabled', 'true', 'expected --tls.key (tls_key_path) as well');
  if (tls.certFile === '') yield faultOf(raw, 'tls.enabled', 'true', 'expected --tls.cert (tls_cert_path) as well');
}

function* redisTlsFaults({ redis }: Config, raw: RawSettings): Iterable<string> {
  const { certFile, keyFile } = redis.tls;
  if (certFile !== '' && keyFile === '') {
    yield faultOf(raw, 'redis.tls-cert', certFile, 'expected --redis.tls-key as well');
  }
  if (keyFile !== '' && certFile === '') {
    yield faultOf(raw, 'redis.tls-key', keyFile, 'expected --redis.tls-cert as well');
  }
}

/** Fixed routes, which a configured path must not hide. */
const FIXED_ROUTES = /^\/(?:$|(?:status|static|-|api|metrics\/job(?:@base64)?)(?:\/|$))/;

function* pathFaults({ paths }: Config, raw: RawSettings): Iterable<string> {
  // Defaults first: of two equal paths, the one that the user wrote is at fault.
  const entries = Object.entries(paths).map(([word, path]) => ({ name: `${word}.path`, path }));
  const ordered = [...entries.filter(({ name }) => !raw.has(name)), ...entries.filter(({ name }) => raw.has(name))];
  const nameOf = new Map<string, string>();
  for (const { name, path } of ordered) {
    const other = nameOf.get(path);
    if (other !== undefined) yield faultOf(raw, name, path, `expected a path different from --${other}`);
    if (FIXED_ROUTES.test(path))
      yield faultOf(raw, name, path, 'expected a path that neither the API nor the web page uses');
    nameOf.set(path, name);
  }
}

function* topologyFaults({ redis }: Config, raw: RawSettings): Iterable<string> {
  const { mode, endpoints, masterName, embedded } = redis;
  if (embedded) return;
  const endpointText = raw.get('redis.endpoint')?.text ?? ':6379';
  const endpointFault = (why: string) => faultOf(raw, 'redis.endpoint', endpointText, why);

  if (mode === 'sentinel' && masterName === '') {
    yield faultOf(raw, 'redis.mode', mode, 'expected --redis.master-name as well');
  }
  if (mode !== 'sentinel' && masterName !== '') {
    yield faultOf(raw, 'redis.master-name', masterName, 'expected --redis.mode to be sentinel or auto');
  }
  if (mode === 'single' && endpoints.length > 1) yield endpointFault('expected one endpoint with --redis.mode single');
  if ((mode === 'cluster' || mode === 'sentinel') && endpoints.some(({ kind }) => kind === 'unix')) {
    yield endpointFault(`expected no Unix socket in mode ${mode}`);
  }
  if (mode === 'sentinel' && endpointText.includes('@')) {
    yield endpointFault('expected --redis.password or --redis.sentinel-password instead of credentials in a URL');
  }
  if (mode === 'cluster' && redis.db !== 0) {
    const why = 'expected database 0, the only one of a Cluster (several endpoints)';
    yield raw.has('redis.db') ? faultOf(raw, 'redis.db', String(redis.db), why) : endpointFault(why);
  }
}

function* embeddedFaults({ redis, role }: Config, raw: RawSettings): Iterable<string> {
  if (!redis.embedded) return;
  for (const name of ['redis.endpoint', 'redis.master-name']) {
    if (raw.has(name)) yield faultOf(raw, name, '', 'expected none with --redis.embedded, which starts its own server');
  }
  // Mode `sentinel` may only follow from a master name, which is reported above.
  if (redis.mode !== 'auto' && redis.mode !== 'single' && raw.has('redis.mode')) {
    yield faultOf(raw, 'redis.mode', redis.mode, 'expected auto or single with --redis.embedded');
  }
  if (role !== 'all')
    yield `cannot use role ${quoteRedacted(role)}: expected all with --redis.embedded, whose server is private`;
}

function* pushFaults({ push }: Config, raw: RawSettings): Iterable<string> {
  if (push.maxInflightBytes >= push.maxBodyBytes) return;
  const why = `expected at least --push.max-body-bytes, which is ${formatBytes(push.maxBodyBytes)}`;
  yield faultOf(raw, 'push.max-inflight-bytes', formatBytes(push.maxInflightBytes), why);
}

function* durabilityFaults({ push, redis }: Config, raw: RawSettings): Iterable<string> {
  if (push.durability === 'replica' && redis.waitReplicas === 0) {
    yield faultOf(raw, 'push.durability', 'replica', 'expected --redis.wait-replicas of 1 or more as well');
  }
  if (push.durability !== 'replica' && redis.waitReplicas > 0) {
    const why = `expected --push.durability=replica as well, got ${push.durability}`;
    yield faultOf(raw, 'redis.wait-replicas', String(redis.waitReplicas), why);
  }
}

function warningsOf({ tls, redis }: Config, raw: RawSettings): readonly string[] {
  const ineffective = (why: string, ...names: readonly string[]) =>
    names.flatMap((name) => {
      const label = raw.get(name)?.label;
      return label === undefined ? [] : [`${label} has no effect: ${why}`];
    });
  const redisTls = ['redis.tls-ca', 'redis.tls-cert', 'redis.tls-key', 'redis.tls-skip-verify'];
  const pool = ['redis.pool-size', 'redis.idle-timeout', 'redis.max-connection-age'];
  const sentinel = ['redis.sentinel-username', 'redis.sentinel-password'];
  return [
    ...ineffective('everything is kept in Redis, not in a file', 'persistence.file', 'persistence.interval'),
    ...ineffective('the few connections to Redis are shared, and replaced when they fail', ...pool),
    ...(tls.enabled ? [] : ineffective('--tls.enabled is not set', 'tls.key', 'tls.cert')),
    ...(redis.tls.enabled ? [] : ineffective('--redis.tls-enabled is not set', ...redisTls)),
    ...(redis.mode === 'sentinel' ? [] : ineffective('Redis is not reached through Sentinels', ...sentinel)),
    ...(raw.get('web.listen-address')?.text ? ineffective('--web.listen-address is given', 'port') : []),
  ];
}
