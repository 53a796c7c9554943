/**
 * The official gateway's metrics about itself, under the same names, so that its dashboards and alerts keep working.
 * Like the official gateway, it does not count scrapes.
 */
import type { FastifyInstance } from 'fastify';
import { Counter, Gauge, Summary, type Registry } from 'prom-client';
import { buildInformation } from './status.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Label `handler` of pushgateway_http_requests_total; routes without it are not counted. */
    handlerName?: string;
  }
}

/** Windows of a summary; each value is added to all of them. */
const AGE_BUCKETS = 2;

export function instrument(app: FastifyInstance, registry: Registry): void {
  const registers = [registry];
  const requests = new Counter({
    name: 'pushgateway_http_requests_total',
    help: 'Total HTTP requests processed by the Pushgateway, excluding scrapes.',
    labelNames: ['handler', 'code', 'method'],
    registers,
  });
  const percentiles = [0.1, 0.5, 0.9];
  const size = new Summary({
    name: 'pushgateway_http_push_size_bytes',
    help: 'HTTP request size for pushes to the Pushgateway.',
    labelNames: ['method'],
    percentiles,
    maxAgeSeconds: 600,
    ageBuckets: AGE_BUCKETS,
    registers,
  });
  const duration = new Summary({
    name: 'pushgateway_http_push_duration_seconds',
    help: 'HTTP request duration for pushes to the Pushgateway.',
    labelNames: ['method'],
    percentiles,
    maxAgeSeconds: 600,
    ageBuckets: AGE_BUCKETS,
    registers,
  });
  const build = new Gauge({
    name: 'pushgateway_build_info',
    help: "A metric with a constant '1' value labeled by version and runtime of the gateway.",
    labelNames: ['version', 'revision', 'branch', 'goversion', 'nodeversion'],
    registers,
  });
  const { version = '', revision = '', branch = '', nodeVersion = '' } = buildInformation();
  build.set({ version, revision, branch, goversion: '', nodeversion: nodeVersion }, 1);

  app.addHook('onResponse', async (request, reply) => {
    const { handlerName } = request.routeOptions.config;
    if (handlerName === undefined) return;
    const method = request.method.toLowerCase();
    requests.inc({ handler: handlerName, code: String(reply.statusCode), method });
    if (handlerName !== 'push') return;
    size.observe({ method }, Number(request.headers['content-length'] ?? 0));
    duration.observe({ method }, reply.elapsedTime / 1000);
  });
}
