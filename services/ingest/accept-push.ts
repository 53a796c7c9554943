/**
 * From a request to pushes in the log: read, prepare, check, append, and wait if that was asked for.
 */
import { randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Config } from '../../shared/config/config.ts';
import { ttlForJob } from '../../shared/config/values/ttl-rules.ts';
import { asError, GatewayError } from '../../shared/errors.ts';
import type { Labels } from '../../shared/model/metric-family.ts';
import { encodeLabels, makeGroup } from '../../shared/model/group.ts';
import { parseGroupingPath } from '../../shared/model/parse-path.ts';
import { checkEncoding, inflate } from '../../shared/http/body/content-encoding.ts';
import { readBody, type InflightBytes } from '../../shared/http/body/read-body.ts';
import type { BacklogMonitor } from '../../shared/redis/log/backlog-monitor.ts';
import type { Keyspace } from '../../shared/redis/keys.ts';
import type { PushLog } from '../../shared/redis/log/push-log.ts';
import type { CataloguedFamily, CataloguedPush } from './catalogue/catalogued-push.ts';
import { deadlineOf, type GroupVerb, type Push, type Verb } from '../../shared/records/push.ts';
import { ACCEPTED, APPLIED, type PushAnswer } from './push-response.ts';
import { bodyFormat } from './prepare/body-format.ts';
import type { ConsistencyCheck } from './consistency-check.ts';
import type { Outcomes } from './push-waiters.ts';
import { preferredWaitMs, requestedTtlMs } from './request-options.ts';
import type { PreparePool } from './prepare/prepare-pool.ts';
import type { PreparedGroup } from './prepare/prepare-push.ts';
import type { IngestTelemetry } from './telemetry.ts';

export interface AcceptContext {
  readonly config: Config;
  readonly keyspace: Keyspace;
  readonly prepare: PreparePool;
  readonly log: PushLog;
  readonly consistency: ConsistencyCheck;
  readonly outcomes: Outcomes;
  readonly backlog: BacklogMonitor;
  readonly inflight: InflightBytes;
  readonly telemetry: IngestTelemetry;
}

/** Push IDs: unique by a random part for the process and a count. */
const PROCESS_ID = randomBytes(6).toString('base64url');
let count = 0;
export const nextId = (): string => `${PROCESS_ID}.${(count++).toString(36)}`;

/** A push that goes to one shard, with what it does to each of its groups. */
interface Part {
  readonly shard: number;
  readonly push: Push;
  readonly catalogued: readonly CataloguedPush[];
}

/** PUT, POST or DELETE on a group. `rawPath` is what follows the metrics path, as it was sent. Throws what answer.ts explains. */
export async function acceptGroupPush(
  context: AcceptContext,
  request: FastifyRequest,
  verb: GroupVerb,
  rawPath: string,
): Promise<PushAnswer> {
  const { config, prepare } = context;
  const { maxSeriesPerPush: maxSeries, maxFamiliesPerPush: maxFamilies } = config.push;
  const arrivalMs = Date.now();
  const group = makeGroup('push', parseGroupingPath(rawPath, { utf8Names: config.push.enableUtf8Names }));
  const { id: groupId, labels } = group;
  const job = labels.find(([name]) => name === 'job')?.[1] ?? '';
  const ttlMs = requestedTtlMs(request.url, request.headers) ?? ttlForJob(config, job);
  const format = bodyFormat(config, request.headers['content-type']);
  const part = (as: Verb, families: readonly CataloguedFamily[]): Part => {
    const content = [{ groupId, labels, families }];
    const push = pushOf({ verb: as, kind: 'push', arrivalMs, ttlMs }, content);
    return {
      shard: context.keyspace.shardOf(groupId),
      push,
      catalogued: as === verb ? catalogue(push, verb, content) : [],
    };
  };

  const recordFailure = async (): Promise<void> => {
    await whenLaidOut(context);
    if (context.consistency.mayRecordFailure(labels)) await append(context, request, arrivalMs, [part('FAIL', [])]);
  };

  if (verb === 'DELETE') {
    const remove = async (): Promise<PushAnswer> => {
      await whenLaidOut(context);
      const deletion = part(verb, []);
      context.consistency.expect(deletion.catalogued);
      return await append(context, request, arrivalMs, [deletion]);
    };
    // A body means nothing here, but the official gateway has looked at the first bytes of one that is encoded.
    return request.headers['content-encoding'] === undefined
      ? await remove()
      : await withBytes(context, request, async (received) => {
          checkEncoding(received, request.headers['content-encoding']);
          return await remove();
        });
  }

  return await withBody(context, request, async (body) => {
    let parts: readonly Part[];
    try {
      const groups = await prepare.prepare(body, { format, group, maxSeries, maxFamilies });
      await whenLaidOut(context);
      parts = [part(verb, groups[0]?.families ?? [])];
      await admit(context, parts);
    } catch (thrown) {
      if (!isInconsistent(thrown)) throw thrown;
      // Nothing of it is stored but that it failed; who waits sees that, too, in the next scrape.
      await recordFailure().catch(() => undefined);
      if (config.push.disableConsistencyCheck)
        return { ...ACCEPTED, outcome: 'inconsistent', reason: asError(thrown).message };
      throw thrown;
    }
    return await append(context, request, arrivalMs, parts);
  });
}

/** POST /ingest: every series is stored or renewed on its own. */
export async function acceptSeries(context: AcceptContext, request: FastifyRequest): Promise<PushAnswer> {
  const { config, prepare } = context;
  const { maxSeriesPerPush: maxSeries, maxFamiliesPerPush: maxFamilies } = config.push;
  const arrivalMs = Date.now();
  const asked = requestedTtlMs(request.url, request.headers);
  const format = bodyFormat(config, request.headers['content-type']);
  const ttlOf = (labels: Labels): number =>
    asked ?? ttlForJob(config, labels.find(([name]) => name === 'job')?.[1] ?? '');
  return await withBody(context, request, async (body) => {
    const groups = await prepare.prepare(body, { format, group: undefined, maxSeries, maxFamilies });
    await whenLaidOut(context);
    // Series that share a shard and a TTL travel as one push.
    const byShard = new Map<string, { shard: number; ttlMs: number; groups: PreparedGroup[] }>();
    for (const group of groups) {
      const shard = context.keyspace.shardOf(group.groupId);
      const ttlMs = ttlOf(group.labels);
      const key = `${shard} ${ttlMs}`;
      const held = byShard.get(key);
      if (held === undefined) byShard.set(key, { shard, ttlMs, groups: [group] });
      else held.groups.push(group);
    }
    const parts = [...byShard.values()].map(({ shard, ttlMs, groups: own }): Part => {
      const push = pushOf({ verb: 'POST', kind: 'ingest', arrivalMs, ttlMs }, own);
      return { shard, push, catalogued: catalogue(push, 'POST', own) };
    });
    await admit(context, parts);
    return await append(context, request, arrivalMs, parts);
  });
}

function pushOf(head: Omit<Push, 'id' | 'groups'>, groups: readonly PreparedGroup[]): Push {
  return { id: nextId(), ...head, groups: groups.map((group) => ({ ...group, labels: encodeLabels(group.labels) })) };
}

function catalogue(push: Push, verb: GroupVerb, groups: readonly PreparedGroup[]): CataloguedPush[] {
  const { id, kind } = push;
  const deadlineMs = deadlineOf(push);
  return groups.map(({ groupId, labels, families }) => {
    return { id, verb, kind, labels, groupId, deadlineMs, families: new Map(families.map((one) => [one.name, one])) };
  });
}

/** Deletes all groups, in every shard from this point of its log on. */
export async function acceptWipe(context: AcceptContext, request: FastifyRequest): Promise<PushAnswer> {
  const arrivalMs = Date.now();
  await whenLaidOut(context);
  const parts = context.keyspace.shards.map((_, shard): Part => {
    return { shard, push: pushOf({ verb: 'WIPE', kind: 'push', arrivalMs, ttlMs: 0 }, []), catalogued: [] };
  });
  context.consistency.clear();
  try {
    return await append(context, request, arrivalMs, parts);
  } catch (thrown) {
    context.consistency.reload();
    throw thrown;
  }
}

/** Which shard a push goes to is known when Redis has answered for the first time. Throws `redis_unavailable`. */
async function whenLaidOut({ config, keyspace, log }: AcceptContext): Promise<void> {
  if (keyspace.shards.length > 0 || (await keyspace.whenFixed(config.push.timeoutMs, log.signal))) return;
  throw log.signal.aborted
    ? new GatewayError('shutting_down', 'the gateway is shutting down')
    : new GatewayError('redis_unavailable', 'Redis did not take the push in time; nothing was stored');
}

/** Checks against what other groups hold. Throws `push_inconsistent`; later checks reckon with what passed. */
async function admit({ config, consistency }: AcceptContext, parts: readonly Part[]): Promise<void> {
  const pushes = parts.flatMap(({ catalogued }) => catalogued);
  if (config.push.disableConsistencyCheck) {
    consistency.expect(pushes);
    return;
  }
  await consistency.whenLoaded();
  await consistency.admit(pushes);
}

function isInconsistent(thrown: unknown): boolean {
  return thrown instanceof GatewayError && thrown.code === 'push_inconsistent';
}

/** Hands over the body as it was sent. */
async function withBytes(
  { config, inflight, telemetry }: AcceptContext,
  request: FastifyRequest,
  use: (received: Buffer) => Promise<PushAnswer>,
): Promise<PushAnswer> {
  const received = await readBody(request.raw, config.push.maxBodyBytes, inflight);
  telemetry.received(request.method, received.length);
  try {
    return await use(received);
  } finally {
    inflight.give(received.length);
  }
}

/** Hands over the body, inflated. */
async function withBody(
  context: AcceptContext,
  request: FastifyRequest,
  use: (body: Buffer) => Promise<PushAnswer>,
): Promise<PushAnswer> {
  const { config, backlog, inflight } = context;
  backlog.admit();
  return await withBytes(context, request, async (received) => {
    const body = await inflate(received, request.headers['content-encoding'], config.push.maxBodyBytes);
    if (body === received) return await use(body);
    if (!inflight.take(body.length))
      throw new GatewayError('overloaded', 'too many pushes are under way; try again later');
    try {
      return await use(body);
    } finally {
      inflight.give(body.length);
    }
  });
}

async function append(
  { config, log, outcomes, consistency }: AcceptContext,
  request: FastifyRequest,
  arrivalMs: number,
  parts: readonly Part[],
): Promise<PushAnswer> {
  const waitMs = preferredWaitMs(request.headers) ?? config.push.waitMs;
  const leftMs = waitMs - (Date.now() - arrivalMs);
  const expected = waitMs > 0 ? parts.map(({ push }) => outcomes.expect(push.id, Math.max(0, leftMs))) : [];
  const appended = await Promise.allSettled(
    parts.map(async ({ shard, push }) => await log.append(shard, push, config.push.timeoutMs)),
  );
  const failed = appended.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    for (const one of expected) one.cancel();
    for (const [i, result] of appended.entries()) {
      if (result.status === 'rejected') consistency.abandon(parts[i]?.catalogued ?? []);
    }
    throw failed.reason;
  }
  if (waitMs === 0) return ACCEPTED;
  const settled = await Promise.all(expected.map(({ outcome }) => outcome));
  if (settled.includes('dead-lettered')) {
    return { ...ACCEPTED, text: 'the push was accepted but could not be applied; it is among the dead letters' };
  }
  if (settled.includes(undefined)) return ACCEPTED;
  // Clients of the official gateway take nothing but 202 for what they delete.
  const removes = parts.some(({ push: { verb } }) => verb === 'DELETE' || verb === 'WIPE');
  return removes ? { ...APPLIED, status: ACCEPTED.status } : APPLIED;
}
