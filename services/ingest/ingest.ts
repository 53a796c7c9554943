/**
 * Ingest: takes pushes over HTTP, checks them and appends them to the log. It answers when the log has them.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import type { Config } from '../../shared/config/config.ts';
import { asError } from '../../shared/errors.ts';
import { PUSH_PATH } from '../../shared/model/group.ts';
import { pathOf } from '../../shared/http/request-url.ts';
import { discardBody } from '../../shared/http/body/discard-body.ts';
import { sendRedirect } from '../../shared/http/reply/not-found.ts';
import { InflightBytes } from '../../shared/http/body/read-body.ts';
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
import { acceptGroupPush, acceptSeries, acceptWipe, nextId, type AcceptContext } from './accept-push.ts';
import { answerForError, type PushAnswer } from './push-response.ts';
import { ConsistencyCheck } from './consistency-check.ts';
import { serveDeadLetters } from './dead-letters-routes.ts';
import { Outcomes } from './push-waiters.ts';
import { PreparePool } from './prepare/prepare-pool.ts';
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
  readonly #accept: AcceptContext;
  readonly #telemetry: IngestTelemetry;
  #client: RedisClient | undefined;
  #ready = false;

  /** The feed tells ingest after all consumers that were added before: in `all`, a push that was waited for is then visible. */
  constructor({ config, connections, keyspace, feed, follower, store, backlog, registry, logger }: IngestContext) {
    this.#config = config;
    this.#logger = logger;
    this.#connections = connections;
    this.#log = new PushLog(connections, keyspace, (shard) => feed.newestSeen(shard));
    this.#deadLetters = new DeadLetters(keyspace);
    const { timeoutMs } = config.push;
    this.#consistency = new ConsistencyCheck({ feed, follower, store, keyspace, timeoutMs });
    const outcomes = new Outcomes();
    feed.add(outcomes);
    const inflight = new InflightBytes(config.push.maxInflightBytes);
    this.#telemetry = new IngestTelemetry(registry, inflight);
    const [log, consistency, telemetry] = [this.#log, this.#consistency, this.#telemetry];
    const prepare = (this.#prepare = new PreparePool(config.ingest.threads));
    this.#accept = { config, keyspace, prepare, log, consistency, outcomes, backlog, inflight, telemetry };
  }

  get isReady(): boolean {
    return this.#ready && this.#log.isConnected;
  }

  register(app: FastifyInstance): void {
    const { ingest } = this.#config.paths;
    // Wildcards, because the labels are read from the path as a whole.
    for (const start of [`${PUSH_PATH}/job/`, `${PUSH_PATH}/job@base64/`]) {
      for (const method of ['PUT', 'POST', 'DELETE'] as const) {
        app.route({
          method,
          url: `${start}*`,
          config: { handlerName: method === 'DELETE' ? 'delete' : 'push' },
          handler: async (request, reply) => {
            const path = pathOf(request.url);
            if (path === start) return await this.#answerNoJob(reply, start);
            return await this.#answer(
              request,
              reply,
              async () => await acceptGroupPush(this.#accept, request, method, path.slice(PUSH_PATH.length)),
            );
          },
        });
      }
    }
    app.post(
      ingest,
      async (request, reply) => await this.#answer(request, reply, () => acceptSeries(this.#accept, request)),
    );
    if (this.#config.web.enableAdminApi) {
      const deadLetters = this.#deadLetters;
      serveDeadLetters(app, { deadLetters, client: () => this.#client, nextPushId: nextId });
      app.put(`${API_PATH}/admin/wipe`, { config: { handlerName: 'wipe' } }, async (request, reply) => {
        return await this.#answer(request, reply, () => acceptWipe(this.#accept, request));
      });
    }
  }

  /** Redis must have answered. With a barrier, pushes are acknowledged when it says that they are durable. */
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
    this.#accept.outcomes.destroy();
    await this.#prepare.destroy();
  }

  /** A path that ends before the job is no route to the official gateway's router, and it takes the one without the slash for meant. */
  async #answerNoJob(reply: FastifyReply, start: string): Promise<FastifyReply> {
    if (start.includes('@')) return await sendText(reply, 404, '404 page not found');
    return await sendRedirect(reply, 307, this.#config.web.routePrefix + start.slice(0, -1));
  }

  async #answer(
    request: FastifyRequest,
    reply: FastifyReply,
    accept: () => Promise<PushAnswer>,
  ): Promise<FastifyReply> {
    const startedMs = performance.now();
    let answer: PushAnswer;
    try {
      answer = await accept();
    } catch (thrown) {
      answer = answerForError(thrown) ?? this.#failed(thrown, request);
    }
    this.#telemetry.answered(request.method, answer.outcome, (performance.now() - startedMs) / 1000);
    if (answer.status >= 400) {
      discardBody(request.raw);
      if (answer.status === 503 || answer.status === 429) reply.header('Retry-After', RETRY_AFTER_SECONDS);
    }
    if (answer.status >= 400 || answer.outcome === 'inconsistent') this.#logRefusal(request, answer);
    return answer.text === ''
      ? await reply.code(answer.status).send()
      : await sendText(reply, answer.status, answer.text);
  }

  #logRefusal({ method, url }: FastifyRequest, { status, outcome, text, reason = text }: PushAnswer): void {
    const fields = { method, url, status, reason };
    // A group that contradicts others may do so unnoticed for long.
    if (outcome === 'inconsistent') this.#logger.warn(fields, 'push refused');
    else this.#logger.debug(fields, 'push refused');
  }

  #failed(thrown: unknown, { method, url }: FastifyRequest): PushAnswer {
    this.#logger.error({ err: asError(thrown), method, url }, 'push failed');
    return { status: 500, outcome: 'failed', text: 'internal error' };
  }
}
