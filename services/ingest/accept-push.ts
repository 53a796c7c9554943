/**
 * From a request to pushes in the log: read, prepare, check, append, and wait for the merge if the client wants that.
 */
import { randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Config } from '../../shared/config/config.ts';
import { asError, GatewayError } from '../../shared/errors.ts';
import { joined } from '../../shared/http/body/body-chunks.ts';
import { checkEncoding } from '../../shared/http/body/content-encoding.ts';
import { discardUnused } from '../../shared/http/body/discard-body.ts';
import type { Hold } from '../../shared/http/body/inflight-bytes.ts';
import { makeGroup, type Group, type GroupKind } from '../../shared/model/group.ts';
import { encodeLabels } from '../../shared/model/labels.ts';
import { parseGroupingPath } from '../../shared/model/parse-path.ts';
import { deadlineOf, type GroupVerb, type Push, type Verb } from '../../shared/records/push.ts';
import type { Keyspace } from '../../shared/redis/keys.ts';
import type { BacklogMonitor } from '../../shared/redis/log/backlog-monitor.ts';
import type { PushLog } from '../../shared/redis/log/push-log.ts';
import type { CataloguedPush } from './catalogue/catalogued-push.ts';
import type { ConsistencyCheck } from './consistency-check.ts';
import { isProtobuf } from './prepare/body-format.ts';
import type { PreparePool } from './prepare/prepare-pool.ts';
import type { PreparedGroup } from './prepare/prepare-push.ts';
import type { PushBodies } from './push-bodies.ts';
import { ACCEPTED, APPLIED, type PushResponse } from './push-response.ts';
import type { PushWaiters } from './push-waiters.ts';
import { requestOptions, type RequestOptions } from './request-options.ts';

/** Length of the text that each byte of a push may become when each sample has all labels of its series. */
const TEXT_PER_BYTE = 4;
/** Of the request and the answer of a push, besides its content. */
const PUSH_BYTES = 8 * 1024;

/** A push to one shard, and what it does to each of its groups. */
interface ShardPush {
  readonly shard: number;
  readonly push: Push;
  readonly catalogued: readonly CataloguedPush[];
}

type PreparedGroups = [PreparedGroup, ...PreparedGroup[]];

export interface PushAcceptorContext {
  readonly config: Config;
  readonly keyspace: Keyspace;
  readonly bodies: PushBodies;
  readonly prepare: PreparePool;
  readonly consistency: ConsistencyCheck;
  readonly backlog: BacklogMonitor;
  readonly log: PushLog;
  readonly waiters: PushWaiters;
}

/** All methods throw GatewayError for what push-response.ts explains to the client. */
export class PushAcceptor {
  readonly #context: PushAcceptorContext;
  readonly #processId = randomBytes(6).toString('base64url');
  #pushCount = 0;

  constructor(context: PushAcceptorContext) {
    this.#context = context;
  }

  /** PUT, POST or DELETE on a group. `rawPath` is what follows the metrics path in the URL, as it was sent. */
  async acceptGroupPush(request: FastifyRequest, verb: GroupVerb, rawPath: string): Promise<PushResponse> {
    const { config } = this.#context;
    const group = makeGroup('push', parseGroupingPath(rawPath, { utf8Names: config.push.enableUtf8Names }));
    const options = requestOptions(request, config);
    if (verb === 'DELETE') return await this.#acceptDeletion(request, options, group);
    return await this.#withBody(request, async (body, hold) => {
      let pushes: readonly ShardPush[];
      try {
        const [prepared = withoutFamilies(group)] = await this.#prepare(request, body, group, hold);
        await this.#whenLaidOut();
        pushes = [this.#makePush(verb, 'push', options, [prepared])];
        await this.#admit(pushes);
      } catch (thrown) {
        if (!(thrown instanceof GatewayError) || thrown.code !== 'push_inconsistent') throw thrown;
        // Only the failure is stored. A client that waits finds it in the next scrape.
        await this.#recordFailure(options, group).catch(() => undefined);
        if (!config.push.disableConsistencyCheck) throw thrown;
        return { ...ACCEPTED, result: 'inconsistent', code: thrown.code, reason: thrown.message };
      }
      return await this.#append(options, pushes, hold);
    });
  }

  /** POST /ingest: each series is stored or renewed on its own. */
  async acceptSeries(request: FastifyRequest): Promise<PushResponse> {
    const options = requestOptions(request, this.#context.config);
    return await this.#withBody(request, async (body, hold) => {
      const groups = await this.#prepare(request, body, undefined, hold);
      await this.#whenLaidOut();
      // Groups that share a shard and a TTL travel as one push.
      const batches = new Map<string, PreparedGroups>();
      for (const group of groups) {
        const key = `${this.#context.keyspace.shardOf(group.groupId)} ${options.ttlMsOf(group.labels)}`;
        const batch = batches.get(key);
        if (batch === undefined) batches.set(key, [group]);
        else batch.push(group);
      }
      const pushes = Array.from(batches.values(), (batch) => this.#makePush('POST', 'ingest', options, batch));
      await this.#admit(pushes);
      return await this.#append(options, pushes, hold);
    });
  }

  /** Deletes all groups, in every shard from this point of its log on. */
  async acceptWipe(request: FastifyRequest): Promise<PushResponse> {
    const { consistency, keyspace } = this.#context;
    const options = requestOptions(request, this.#context.config);
    await this.#whenLaidOut();
    const { arrivalMs } = options;
    const pushes = keyspace.shards.map((_, shard): ShardPush => {
      const push: Push = { id: this.nextPushId(), verb: 'WIPE', kind: 'push', arrivalMs, ttlMs: 0, groups: [] };
      return { shard, push, catalogued: [] };
    });
    consistency.clear();
    try {
      return await this.#append(options, pushes);
    } catch (thrown) {
      consistency.reload();
      throw thrown;
    }
  }

  /** Unique by a random part for the process, and a count. */
  nextPushId(): string {
    return `${this.#processId}.${(this.#pushCount++).toString(36)}`;
  }

  async #acceptDeletion(request: FastifyRequest, options: RequestOptions, group: Group): Promise<PushResponse> {
    const remove = async (): Promise<PushResponse> => {
      await this.#whenLaidOut();
      const deletion = this.#makePush('DELETE', 'push', options, [withoutFamilies(group)]);
      this.#context.consistency.expect(deletion.catalogued);
      return await this.#append(options, [deletion]);
    };
    const encoding = request.headers['content-encoding'];
    if (encoding === undefined) {
      discardUnused(request.raw);
      return await remove();
    }
    // The body has no meaning, but the official gateway reads the first bytes of an encoded one.
    return await this.#context.bodies.with(request, async (sent, hold) => {
      checkEncoding(joined(sent), encoding);
      hold.release();
      return await remove();
    });
  }

  async #recordFailure(options: RequestOptions, group: Group): Promise<void> {
    await this.#whenLaidOut();
    if (!this.#context.consistency.mayRecordFailure(group.labels)) return;
    await this.#append(options, [this.#makePush('FAIL', 'push', options, [withoutFamilies(group)])]);
  }

  /** Calls `use` with the body, unless the backlog is full. */
  async #withBody(
    request: FastifyRequest,
    use: (body: readonly Buffer[], hold: Hold) => Promise<PushResponse>,
  ): Promise<PushResponse> {
    this.#context.backlog.admit();
    return await this.#context.bodies.with(request, use);
  }

  /** `group`: undefined for series of `/ingest`. */
  async #prepare(
    { headers }: FastifyRequest,
    body: readonly Buffer[],
    group: Group | undefined,
    hold: Hold,
  ): Promise<readonly PreparedGroup[]> {
    const { config, prepare } = this.#context;
    const { enableUtf8Names: utf8Names, maxSeriesPerPush: maxSeries, maxFamiliesPerPush: maxFamilies } = config.push;
    const { maxBodyBytes: maxBytes } = config.push;
    const format = isProtobuf(headers['content-type']) ? 'protobuf' : 'text';
    const encoding = headers['content-encoding'];
    const limits = { maxSeries, maxFamilies, maxBytes, maxTextLength: TEXT_PER_BYTE * maxBytes };
    const prepared = await prepare.prepare(body, { format, encoding, utf8Names, group, ...limits }, hold);
    hold.resize(sizeOf(prepared));
    return prepared;
  }

  /** `prepared`: groups that share a shard and a TTL. */
  #makePush(verb: Verb, kind: GroupKind, options: RequestOptions, prepared: PreparedGroups): ShardPush {
    const [{ groupId: firstId, labels: firstLabels }] = prepared;
    const groups = prepared.map((group) => ({ ...group, labels: encodeLabels(group.labels) }));
    const { arrivalMs } = options;
    const push: Push = { id: this.nextPushId(), verb, kind, arrivalMs, ttlMs: options.ttlMsOf(firstLabels), groups };
    const shard = this.#context.keyspace.shardOf(firstId);
    if (verb === 'FAIL' || verb === 'WIPE') return { shard, push, catalogued: [] };
    const deadlineMs = deadlineOf(push);
    const catalogued = prepared.map(({ groupId, labels, families }): CataloguedPush => {
      const byName = new Map(families.map((family) => [family.name, family]));
      return { id: push.id, verb, kind, labels, groupId, deadlineMs, families: byName };
    });
    return { shard, push, catalogued };
  }

  /** The shard of a push is known once Redis has answered. Throws `redis_unavailable` or `shutting_down`. */
  async #whenLaidOut(): Promise<void> {
    const { config, keyspace, log } = this.#context;
    if (keyspace.shards.length > 0 || (await keyspace.whenFixed(config.push.timeoutMs, log.signal))) return;
    throw log.signal.aborted
      ? new GatewayError('shutting_down', 'the gateway is shutting down')
      : new GatewayError('redis_unavailable', 'Redis has not answered yet; nothing was stored');
  }

  /** Throws `push_inconsistent` for pushes that contradict other groups. Later checks take the others into account. */
  async #admit(pushes: readonly ShardPush[]): Promise<void> {
    const { config, consistency } = this.#context;
    const catalogued = pushes.flatMap((one) => one.catalogued);
    if (config.push.disableConsistencyCheck) {
      consistency.expect(catalogued);
      return;
    }
    await consistency.whenLoaded();
    await consistency.admit(catalogued);
  }

  /** `hold` is released once the pushes are appended. */
  async #append(
    { arrivalMs, waitMs }: RequestOptions,
    pushes: readonly ShardPush[],
    hold?: Hold,
  ): Promise<PushResponse> {
    const { config, consistency, log, waiters } = this.#context;
    const leftMs = Math.max(0, waitMs - (Date.now() - arrivalMs));
    const waiting = waitMs > 0 ? pushes.map(({ push }) => waiters.add(push.id, leftMs)) : [];
    const appended = await Promise.allSettled(
      pushes.map(async ({ shard, push }) => await log.append(shard, push, config.push.timeoutMs)),
    );
    hold?.release();
    const failed = appended.find((result) => result.status === 'rejected');
    if (failed !== undefined) {
      for (const waiter of waiting) waiter.cancel();
      consistency.abandon(pushes.flatMap((one, i) => (appended[i]?.status === 'rejected' ? one.catalogued : [])));
      throw asError(failed.reason);
    }
    if (waitMs === 0) return ACCEPTED;
    const outcomes = await Promise.all(waiting.map(({ outcome }) => outcome));
    if (outcomes.includes('dead-lettered')) {
      return { ...ACCEPTED, text: 'the push was accepted, but could not be applied; it was moved to the dead letters' };
    }
    if (outcomes.includes(undefined)) return ACCEPTED;
    // Clients of the official gateway accept nothing but 202 for deletions.
    const isDeletion = pushes.some(({ push: { verb } }) => verb === 'DELETE' || verb === 'WIPE');
    return isDeletion ? { ...APPLIED, status: ACCEPTED.status } : APPLIED;
  }
}

/** Of a push until it is appended: twice the size of its content, which is copied into the log entry. */
function sizeOf(groups: readonly PreparedGroup[]): number {
  let bytes = PUSH_BYTES;
  for (const { families } of groups) {
    for (const { name, content } of families) {
      bytes += 2 * (name.length + content.help.length + content.text.length + (content.exact?.length ?? 0));
    }
  }
  return bytes;
}

function withoutFamilies({ id, labels }: Group): PreparedGroup {
  return { groupId: id, labels, families: [] };
}
