/**
 * Ingest: takes pushes over HTTP, checks them and appends them to the log. A push is answered once it is in the log.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import type { Config } from '../../shared/config/config.ts';
import { asError } from '../../shared/errors.ts';
import { PUSH_PATH } from '../../shared/model/group.ts';
import { pathOf } from '../../shared/http/request-url.ts';
import { discardBody, discardUnused } from '../../shared/http/body/discard-body.ts';
import { sendRedirect } from '../../shared/http/reply/not-found.ts';
import { InflightBytes } from '../../shared/http/body/inflight-bytes.ts';
import { API_PATH } from '../../shared/http/reply/api-reply.ts';
import { sendText } from '../../shared/http/reply/send-text.ts';
import type { Service } from '../../shared/async/service.ts';
import type { Logger } from '../../shared/logger.ts';
import type { ChangeFeed } from '../../shared/redis/changes/change-feed.ts';
import type { BacklogMonitor } from '../../shared/redis/log/backlog-monitor.ts';
import type { RedisClient } from '../../shared/redis/connection/client.ts';
import type { Connections } from '../../shared/redis/connection/connections.ts';
import { DeadLetters } from '../../shared/redis/log/dead-letters.ts';
import type { Barrier } from '../../shared/redis/connection/durability.ts';
import type { GroupFollower } from '../../shared/redis/groups/group-follower.ts';
import type { GroupStore } from '../../shared/redis/groups/group-store.ts';
import type { Keyspace } from '../../shared/redis/keys.ts';
import { PushLog } from '../../shared/redis/log/push-log.ts';
import { PushAcceptor } from './accept-push.ts';
import { ConsistencyCheck } from './consistency-check.ts';
import { serveDeadLetters } from './dead-letters-routes.ts';
import { PreparePool } from './prepare/prepare-pool.ts';
import { PushBodies } from './push-bodies.ts';
import { responseToError, type PushResponse } from './push-response.ts';
import { PushWaiters } from './push-waiters.ts';
import { IngestTelemetry } from './telemetry.ts';

const RETRY_AFTER_SECONDS = '1';

export interface IngestContext {
  readonly config: Config;
  readonly connections: Connections;
  readonly keyspace: Keyspace;
  readonly feed: ChangeFeed;
  readonly follower: GroupFollower;
  readonly store: GroupStore;
  readonly backlog: BacklogMonitor;
  readonly registry: Registry;
  readonly logger: Logger;
}

export class IngestService implements Service {
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #connections: Connections;
  readonly #log: PushLog;
  readonly #deadLetters: DeadLetters;
  readonly #consistency: ConsistencyCheck;
  readonly #prepare: PreparePool;
  readonly #waiters = new PushWaiters();
  readonly #acceptor: PushAcceptor;
  readonly #telemetry: IngestTelemetry;
  #client: RedisClient | undefined;
  #ready = false;

  /** Create it after the reader of this process: the feed then shows a push there before it is settled here. */
  constructor({ config, connections, keyspace, feed, follower, store, backlog, registry, logger }: IngestContext) {
    this.#config = config;
    this.#logger = logger;
    this.#connections = connections;
    this.#log = new PushLog(connections, keyspace, (shard) => feed.newestSeen(shard));
    this.#deadLetters = new DeadLetters(keyspace);
    const { timeoutMs, maxBodyBytes, maxInflightBytes } = config.push;
    this.#consistency = new ConsistencyCheck({ feed, follower, store, keyspace, timeoutMs });
    feed.add(this.#waiters);
    const inflight = new InflightBytes(maxInflightBytes);
    this.#telemetry = new IngestTelemetry(registry, inflight);
    this.#prepare = new PreparePool(config.ingest.threads, maxBodyBytes);
    this.#acceptor = new PushAcceptor({
      config,
      keyspace,
      backlog,
      bodies: new PushBodies(inflight, maxBodyBytes, this.#telemetry),
      prepare: this.#prepare,
      consistency: this.#consistency,
      log: this.#log,
      waiters: this.#waiters,
    });
  }

  get isReady(): boolean {
    return this.#ready && this.#log.isConnected;
  }

  register(app: FastifyInstance): void {
    const acceptor = this.#acceptor;
    const { enableAdminApi, crossOriginPushes: crossOrigin } = this.#config.web;
    // Wildcards, because the labels are parsed from the whole path.
    for (const start of [`${PUSH_PATH}/job/`, `${PUSH_PATH}/job@base64/`]) {
      for (const method of ['PUT', 'POST', 'DELETE'] as const) {
        app.route({
          method,
          url: `${start}*`,
          config: {
            readsBody: true,
            ...(method === 'DELETE' ? { handlerName: 'delete' } : { handlerName: 'push', crossOrigin }),
          },
          handler: async (request, reply) => {
            const path = pathOf(request.url);
            if (path === start) return await this.#answerNoJob(request, reply, start);
            const rawPath = path.slice(PUSH_PATH.length);
            return await this.#respond(request, reply, acceptor.acceptGroupPush(request, method, rawPath));
          },
        });
      }
    }
    app.post(this.#config.paths.ingest, { config: { readsBody: true, crossOrigin } }, async (request, reply) => {
      return await this.#respond(request, reply, acceptor.acceptSeries(request));
    });
    if (!enableAdminApi) return;
    const [deadLetters, client] = [this.#deadLetters, () => this.#client];
    serveDeadLetters(app, { deadLetters, client, nextPushId: () => acceptor.nextPushId() });
    app.put(`${API_PATH}/admin/wipe`, { config: { handlerName: 'wipe' } }, async (request, reply) => {
      return await this.#respond(request, reply, acceptor.acceptWipe(request));
    });
  }

  /** Redis must have answered. With a barrier, pushes are acknowledged once it confirms that they are durable. */
  async start(barrier?: Barrier): Promise<void> {
    this.#log.start(barrier, this.#config.push.timeoutMs);
    this.#client = this.#connections.open('commands', 'ingest');
    this.#consistency.start(this.#client);
    this.#ready = true;
    return await Promise.resolve();
  }

  /** Refuses the pushes that wait for Redis, and answers those that wait to be merged. */
  async destroy(): Promise<void> {
    this.#ready = false;
    this.#log.destroy();
    this.#waiters.destroy();
    await this.#prepare.destroy();
  }

  /**
   * A path that ends before the job. The official gateway has no such route, and redirects to one without the slash.
   */
  async #answerNoJob({ raw }: FastifyRequest, reply: FastifyReply, start: string): Promise<FastifyReply> {
    discardUnused(raw);
    if (start.includes('@')) return await sendText(reply, 404, '404 page not found');
    return await sendRedirect(reply, 307, this.#config.web.routePrefix + start.slice(0, -1));
  }

  async #respond(
    request: FastifyRequest,
    reply: FastifyReply,
    accepting: Promise<PushResponse>,
  ): Promise<FastifyReply> {
    const startedMs = performance.now();
    const response = await accepting.catch((thrown: unknown) => {
      return responseToError(thrown) ?? this.#internalError(thrown, request);
    });
    const { status, result, text } = response;
    this.#telemetry.answered(request.method, result, (performance.now() - startedMs) / 1000);
    if (status >= 400) discardBody(request.raw);
    if (status === 503 || status === 429) reply.header('Retry-After', RETRY_AFTER_SECONDS);
    if (status >= 400 || result === 'inconsistent') this.#logRefusal(request, response);
    return text === '' ? await reply.code(status).send() : await sendText(reply, status, text);
  }

  #logRefusal({ method, url }: FastifyRequest, { status, result, code, text, reason = text }: PushResponse): void {
    const fields = { method, url, status, code, reason };
    // An operator should see this: a group that contradicts others can remain unnoticed for long.
    if (result === 'inconsistent') this.#logger.warn(fields, 'push refused');
    else this.#logger.debug(fields, 'push refused');
  }

  #internalError(thrown: unknown, { method, url }: FastifyRequest): PushResponse {
    this.#logger.error({ err: asError(thrown), method, url }, 'push failed');
    return { status: 500, result: 'failed', text: 'internal error' };
  }
}
