/**
 * From a request to pushes in the log: read, decode, check, append, and wait if that was asked for.
 */
import { randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Config } from '../../shared/config/config.ts';
import { ttlForJob } from '../../shared/config/ttl-rules.ts';
import { checkPush } from '../../shared/exposition/check-push.ts';
import { decodeBody } from '../../shared/exposition/decode-body.ts';
import { applyGroupingLabels } from '../../shared/exposition/group-labels.ts';
import type { Labels } from '../../shared/exposition/model.ts';
import { makeGroup, shardOf } from '../../shared/grouping/group.ts';
import { parseGroupingPath } from '../../shared/grouping/parse-path.ts';
import { readBody, type InflightBytes } from '../../shared/http/read-body.ts';
import type { PushLog } from '../../shared/redis/push-log.ts';
import type { BodyFormat, Push, Verb } from '../../shared/state/push.ts';
import { ACCEPTED, APPLIED, type PushAnswer } from './answer.ts';
import type { Outcomes } from './outcomes.ts';
import { preferredWaitMs, requestedTtlMs } from './preferences.ts';
import { splitIntoShards } from './split-into-shards.ts';
import type { IngestTelemetry } from './telemetry.ts';

export interface AcceptContext {
  readonly config: Config;
  readonly log: PushLog;
  readonly outcomes: Outcomes;
  readonly inflight: InflightBytes;
  readonly telemetry: IngestTelemetry;
}

/** Push IDs: unique by a random part for the process and a count. */
const PROCESS_ID = randomBytes(6).toString('base64url');
let count = 0;
const nextId = (): string => `${PROCESS_ID}.${(count++).toString(36)}`;

const NO_BODY = Buffer.alloc(0);

/** PUT, POST or DELETE on a group. `rawPath` is what follows the metrics path, as it was sent. Throws what answer.ts explains. */
export async function acceptGroupPush(
  context: AcceptContext,
  request: FastifyRequest,
  verb: 'PUT' | 'POST' | 'DELETE',
  rawPath: string,
): Promise<PushAnswer> {
  const { config } = context;
  const arrivalMs = Date.now();
  const labels = parseGroupingPath(rawPath, { utf8Names: config.push.enableUtf8Names });
  const job = labels.find(([name]) => name === 'job')?.[1] ?? '';
  const ttlMs = requestedTtlMs(request.url, request.headers) ?? ttlForJob(config, job);
  const format = textFormat(config);
  const push = (as: Verb, body: Buffer): Push => ({
    id: nextId(),
    verb: as,
    kind: 'push',
    labels,
    arrivalMs,
    ttlMs,
    format,
    body,
  });
  const shard = shardOf(makeGroup('push', labels).id, config.redis.shards);

  if (verb === 'DELETE') return await append(context, request, arrivalMs, [{ shard, push: push('DELETE', NO_BODY) }]);

  return await withBody(context, request, async (body) => {
    const families = applyGroupingLabels(decodeBody(body, format), labels);
    try {
      checkPush(families);
    } catch (thrown) {
      // Nothing of it is stored but that it failed.
      await context.log.append(shard, push('FAIL', NO_BODY), config.push.timeoutMs).catch(() => undefined);
      throw thrown;
    }
    return await append(context, request, arrivalMs, [{ shard, push: push(verb, body) }]);
  });
}

/** POST /ingest: every series is stored or renewed on its own. */
export async function acceptSeries(context: AcceptContext, request: FastifyRequest): Promise<PushAnswer> {
  const { config } = context;
  const arrivalMs = Date.now();
  const asked = requestedTtlMs(request.url, request.headers);
  const format = textFormat(config);
  return await withBody(context, request, async (body) => {
    const families = decodeBody(body, format);
    checkPush(families);
    const ttlOf = (labels: Labels): number =>
      asked ?? ttlForJob(config, labels.find(([name]) => name === 'job')?.[1] ?? '');
    const parts = splitIntoShards(families, config.redis.shards, ttlOf).map(({ shard, ttlMs, text }) => {
      const push: Push = {
        id: nextId(),
        verb: 'POST',
        kind: 'ingest',
        labels: [],
        arrivalMs,
        ttlMs,
        format,
        body: text,
      };
      return { shard, push };
    });
    return await append(context, request, arrivalMs, parts);
  });
}

async function withBody(
  { config, inflight, telemetry }: AcceptContext,
  request: FastifyRequest,
  use: (body: Buffer) => Promise<PushAnswer>,
): Promise<PushAnswer> {
  const body = await readBody(request.raw, config.push.maxBodyBytes, inflight);
  telemetry.received(request.method, body.length);
  try {
    return await use(body);
  } finally {
    inflight.give(body.length);
  }
}

async function append(
  { config, log, outcomes }: AcceptContext,
  request: FastifyRequest,
  arrivalMs: number,
  parts: readonly { readonly shard: number; readonly push: Push }[],
): Promise<PushAnswer> {
  const waitMs = preferredWaitMs(request.headers) ?? config.push.waitMs;
  const leftMs = waitMs - (Date.now() - arrivalMs);
  const expected = waitMs > 0 ? parts.map(({ push }) => outcomes.expect(push.id, Math.max(0, leftMs))) : [];
  try {
    await Promise.all(parts.map(async ({ shard, push }) => await log.append(shard, push, config.push.timeoutMs)));
  } catch (thrown) {
    for (const one of expected) one.cancel();
    throw thrown;
  }
  if (waitMs === 0) return ACCEPTED;
  const settled = await Promise.all(expected.map(({ outcome }) => outcome));
  if (settled.includes('dead-lettered')) {
    return { ...ACCEPTED, text: 'the push was accepted but could not be applied; it is among the dead letters' };
  }
  return settled.includes(undefined) ? ACCEPTED : APPLIED;
}

function textFormat(config: Config): BodyFormat {
  return config.push.enableUtf8Names ? 'text-utf8' : 'text';
}
