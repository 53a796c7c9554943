/** The table of connections as configured, with its telemetry. */
import { readFileSync } from 'node:fs';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Config } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import { CUT_REASONS } from './connection.ts';
import { Connections } from './connections.ts';

/** Share of the file descriptors that may be connections; the others are for Redis, files and threads. */
const CONNECTION_SHARE = 0.8;
const HEADERS_TIMEOUT_MS = 60_000;
/** Longest time of a timer in Node, about 24 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export function configuredConnections({ web }: Config, registry: Registry, logger: Logger): Connections {
  const registers = [registry];
  const cut = new Counter({
    name: 'pushgateway_http_connections_cut_total',
    help: 'Total number of connections and HTTP/2 streams that the gateway ended because of a limit, by reason.',
    labelNames: ['reason'],
    registers,
  });
  for (const reason of CUT_REASONS) cut.inc({ reason }, 0);
  const connections = new Connections(
    {
      maxConnections: maxConnections(web.maxConnections, logger),
      keepAliveMs: Math.min(Math.ceil(web.keepAliveTimeoutMs), MAX_TIMER_MS),
      headersMs: HEADERS_TIMEOUT_MS,
      bodyMs: web.bodyTimeoutMs,
      answerMs: web.answerTimeoutMs,
      maxBufferedBytes: web.maxBufferedBytes,
    },
    (reason) => cut.inc({ reason }),
  );
  const open: Gauge = new Gauge({
    name: 'pushgateway_http_connections',
    help: 'Number of open connections of clients.',
    registers,
    collect: () => open.set(connections.size),
  });
  return connections;
}

/** At the limit of descriptors a connection would not be accepted, and those that wait for their clients would stay. */
function maxConnections(configured: number, logger: Logger): number {
  const possible = Math.max(Math.floor(CONNECTION_SHARE * descriptorLimit()), 1);
  if (possible >= configured) return configured;
  logger.warn({ configured, possible }, 'the limit of open files allows fewer connections than --web.max-connections');
  return possible;
}

/** How many files and sockets this process may have open; Infinity where the system does not show it. */
function descriptorLimit(): number {
  try {
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return limit === undefined ? Infinity : Number(limit);
  } catch {
    return Infinity;
  }
}
