/** Settings that are right by themselves may still contradict each other. */
import { formatBytes } from '../values/bytes.ts';
import type { Config } from '../config.ts';
import { fault, type RawSettings } from './raw-settings.ts';
import { quote } from '../values/quote.ts';

export interface Findings {
  readonly faults: readonly string[];
  readonly warnings: readonly string[];
}

export function checkTogether(config: Config, given: RawSettings): Findings {
  const checks = [tlsFaults, redisTlsFaults, pathFaults, topologyFaults, embeddedFaults, pushFaults, durabilityFaults];
  return { faults: checks.flatMap((check) => [...check(config, given)]), warnings: warningsOf(config, given) };
}

/** In the words of the user if the setting was given, else by its flag and the value in force. */
function blame(given: RawSettings, name: string, inForce: string, why: string): string {
  const entry = given.get(name);
  return entry === undefined ? `cannot use --${name} ${quote(inForce)}: ${why}` : fault(entry, why);
}

function* tlsFaults({ tls }: Config, given: RawSettings): Iterable<string> {
  if (!tls.enabled) return;
  if (tls.keyFile === '') yield blame(given, 'tls.enabled', 'true', 'expected --tls.key (tls_key_path) as well');
  if (tls.certFile === '') yield blame(given, 'tls.enabled', 'true', 'expected --tls.cert (tls_cert_path) as well');
}

function* redisTlsFaults({ redis }: Config, given: RawSettings): Iterable<string> {
  const { certFile, keyFile } = redis.tls;
  if (certFile !== '' && keyFile === '') {
    yield blame(given, 'redis.tls-cert', certFile, 'expected --redis.tls-key as well');
  }
  if (keyFile !== '' && certFile === '') {
    yield blame(given, 'redis.tls-key', keyFile, 'expected --redis.tls-cert as well');
  }
}

/** Routes we serve whatever the settings; a configured path must not hide them. */
const ownRoutes = /^\/(?:$|(?:status|static|-|api|metrics\/job(?:@base64)?)(?:\/|$))/;

function* pathFaults({ paths }: Config, given: RawSettings): Iterable<string> {
  // Defaults first: of two that are equal, the one that the user wrote is at fault.
  const entries = Object.entries(paths).map(([word, path]) => ({ name: `${word}.path`, path }));
  const ordered = [...entries.filter(({ name }) => !given.has(name)), ...entries.filter(({ name }) => given.has(name))];
  const nameOf = new Map<string, string>();
  for (const { name, path } of ordered) {
    const other = nameOf.get(path);
    if (other !== undefined) yield blame(given, name, path, `expected another path than that of --${other}`);
    if (ownRoutes.test(path)) yield blame(given, name, path, 'expected a path that neither the API nor the page uses');
    nameOf.set(path, name);
  }
}

function* topologyFaults({ redis }: Config, given: RawSettings): Iterable<string> {
  const { mode, endpoints, masterName, embedded } = redis;
  if (embedded) return;
  const endpointText = given.get('redis.endpoint')?.text ?? ':6379';
  const blameEndpoint = (why: string) => blame(given, 'redis.endpoint', endpointText, why);

  if (mode === 'sentinel' && masterName === '') {
    yield blame(given, 'redis.mode', mode, 'expected --redis.master-name as well');
  }
  if (mode !== 'sentinel' && masterName !== '') {
    yield blame(given, 'redis.master-name', masterName, 'expected --redis.mode to be sentinel or auto');
  }
  if (mode === 'single' && endpoints.length > 1) yield blameEndpoint('expected one endpoint with --redis.mode single');
  if ((mode === 'cluster' || mode === 'sentinel') && endpoints.some(({ kind }) => kind === 'unix')) {
    yield blameEndpoint(`expected no Unix socket in mode ${mode}`);
  }
  if (mode === 'sentinel' && endpointText.includes('@')) {
    yield blameEndpoint('expected --redis.password or --redis.sentinel-password instead of credentials in a URL');
  }
  if (mode === 'cluster' && redis.db !== 0) {
    const why = 'expected database 0, a Cluster (several endpoints) has no other';
    yield given.has('redis.db') ? blame(given, 'redis.db', String(redis.db), why) : blameEndpoint(why);
  }
}

function* embeddedFaults({ redis, role }: Config, given: RawSettings): Iterable<string> {
  if (!redis.embedded) return;
  for (const name of ['redis.endpoint', 'redis.master-name']) {
    if (given.has(name))
      yield blame(given, name, '', 'expected none with --redis.embedded, which starts its own server');
  }
  // With a master name, which is already reported, `sentinel` only follows from it.
  if (redis.mode !== 'auto' && redis.mode !== 'single' && given.has('redis.mode')) {
    yield blame(given, 'redis.mode', redis.mode, 'expected auto or single with --redis.embedded');
  }
  if (role !== 'all')
    yield `cannot use role ${quote(role)}: expected all with --redis.embedded, whose server is private`;
}

function* pushFaults({ push }: Config, given: RawSettings): Iterable<string> {
  if (push.maxInflightBytes >= push.maxBodyBytes) return;
  const why = `expected at least --push.max-body-bytes, which is ${formatBytes(push.maxBodyBytes)}`;
  yield blame(given, 'push.max-inflight-bytes', formatBytes(push.maxInflightBytes), why);
}

function* durabilityFaults({ push, redis }: Config, given: RawSettings): Iterable<string> {
  if (push.durability === 'replica' && redis.waitReplicas === 0) {
    yield blame(given, 'push.durability', 'replica', 'expected --redis.wait-replicas of 1 or more as well');
  }
  if (push.durability !== 'replica' && redis.waitReplicas > 0) {
    const why = `expected --push.durability=replica with it, got ${push.durability}`;
    yield blame(given, 'redis.wait-replicas', String(redis.waitReplicas), why);
  }
}

function warningsOf({ tls, redis }: Config, given: RawSettings): readonly string[] {
  const ineffective = (why: string, ...names: readonly string[]) =>
    names.flatMap((name) => {
      const label = given.get(name)?.label;
      return label === undefined ? [] : [`${label} has no effect: ${why}`];
    });
  const redisTls = ['redis.tls-ca', 'redis.tls-cert', 'redis.tls-key', 'redis.tls-skip-verify'];
  const pool = ['redis.pool-size', 'redis.idle-timeout', 'redis.max-connection-age'];
  const sentinel = ['redis.sentinel-username', 'redis.sentinel-password'];
  return [
    ...ineffective('everything is kept in Redis, not in a file', 'persistence.file', 'persistence.interval'),
    ...ineffective('connections to Redis are few, shared and replaced when they fail', ...pool),
    ...(tls.enabled ? [] : ineffective('--tls.enabled is not set', 'tls.key', 'tls.cert')),
    ...(redis.tls.enabled ? [] : ineffective('--redis.tls-enabled is not set', ...redisTls)),
    ...(redis.mode === 'sentinel' ? [] : ineffective('Redis is not reached through Sentinels', ...sentinel)),
    ...(given.get('web.listen-address')?.text ? ineffective('--web.listen-address is given', 'port') : []),
  ];
}
