import { gunzipSync } from 'node:zlib';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Family, HistogramMetric, NativeBuckets } from '../../shared/model/metric-family.ts';
import { encodeFamily } from '../../shared/exposition/protobuf/codec.ts';
import { startSecuredGateway, type SecuredGateway } from '../clients/secured-gateway.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/servers/gateway.ts';
import { samples } from '../support/metrics-text.ts';
import { startPrometheus, type Prometheus } from '../support/servers/prometheus.ts';
import { applied } from '../support/http/request.ts';
import { findTool, missing } from '../support/process/tools.ts';
import { ask } from '../support/http/web-server.ts';

// A real Prometheus stores all series, and no others, after scrapes in text and protobuf.

const PROTOBUF = 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited';
const TEXT_BODY = `# HELP requests_total Requests,\\nby "path" and \\\\.
# TYPE requests_total counter
requests_total{path="/ü \\"q\\" \\\\ \\n"} 3
requests_total{path=""} 1e-9
# TYPE temperature gauge
temperature{at="nowhere"} NaN
temperature{at="sun"} +Inf
temperature{at="space"} -270.5
plain 7
# HELP size_bytes A summary.
# TYPE size_bytes summary
size_bytes{quantile="0.5"} 5
size_bytes_sum 12
size_bytes_count 2
# HELP latency_seconds A histogram.
# TYPE latency_seconds histogram
latency_seconds_bucket{le="0.1"} 1
latency_seconds_bucket{le="0.5"} 3
latency_seconds_bucket{le="+Inf"} 4
latency_seconds_sum 2.5
latency_seconds_count 4
`;

/** Buckets of schema 0 end at powers of two: 1 at zero, then up to 1, 2 and 4. */
const BUCKETS: NativeBuckets = {
  schema: 0,
  zeroThreshold: 0.001,
  zeroCount: 1,
  positiveSpans: [[0, 3]],
  positiveDeltas: [1, 1, -1],
  positiveCounts: [],
  negativeSpans: [],
  negativeDeltas: [],
  negativeCounts: [],
  exemplars: [],
};
const native = (name: string, metric: Omit<HistogramMetric, 'labels' | 'buckets'>): Family => ({
  name,
  help: 'Sparse buckets.',
  type: 'histogram',
  metrics: [{ labels: [['path', '/']], buckets: [], ...metric }],
});
const NATIVE = native('sparse_seconds', { sampleCount: 5, sampleSum: 10, native: BUCKETS });
const FLOATS = native('floats_seconds', {
  sampleCount: 4.5,
  sampleSum: 10,
  floatCounts: true,
  native: { ...BUCKETS, zeroCount: 0.5, positiveDeltas: [], positiveCounts: [1, 2, 1] },
});

let gateway: Gateway;
let secured: SecuredGateway;
let scrapers: [asText: Prometheus, asProtobuf: Prometheus];

beforeAll(async () => {
  gateway = await startGateway();
  secured = await startSecuredGateway();
  const push = async (path: string, body: string | Uint8Array, headers = {}) => {
    const options = { headers: { ...applied.headers, ...headers } };
    expect(await gateway.push(path, body, options)).toMatchObject({ status: 200 });
  };
  await push('/metrics/job/web/instance/web-1', TEXT_BODY);
  await push('/metrics/job/batch', 'rows 42\n');
  await push('/metrics/job@base64/YS9i/zone@base64/=', 'rows 43\n');
  const histograms = Buffer.concat([NATIVE, FLOATS].map(encodeFamily));
  await push('/metrics/job/native/instance/n', histograms, { 'content-type': PROTOBUF });
  // A failed push: the push time of the group is 0.
  expect(await gateway.push('/metrics/job/failed', '# TYPE rows counter\nrows 1\n')).toMatchObject({ status: 400 });
  // Both at once, because the first scrape takes a Prometheus up to five seconds.
  if (findTool('prometheus') !== undefined) scrapers = await Promise.all([startScraping(false), startScraping(true)]);
});

/** Name and labels as Prometheus stores them: without empty labels, and with bounds as numbers ("1" may be "1.0"). */
function seriesOf(labels: Readonly<Record<string, string>>, name = labels['__name__']): string {
  const pairs = Object.entries(labels).filter(([label, value]) => label !== '__name__' && value !== '');
  const texts = pairs.map(([label, value]) => `${label}=${/^(le|quantile)$/.test(label) ? Number(value) : value}`);
  return JSON.stringify([name, ...texts.toSorted()]);
}

async function startScraping(nativeHistograms: boolean): Promise<Prometheus> {
  const target = [`127.0.0.1:${gateway.port}`];
  const { user: username, password, certificateFile: ca_file, address } = secured;
  const prometheus = await startPrometheus(
    [
      { job_name: 'pushed', honor_labels: true, static_configs: [{ targets: target }] },
      { job_name: 'own', metrics_path: '/telemetry', static_configs: [{ targets: target }] },
      {
        job_name: 'secured',
        scheme: 'https',
        honor_labels: true,
        tls_config: { ca_file },
        basic_auth: { username, password },
        static_configs: [{ targets: [address] }],
      },
    ],
    { nativeHistograms },
  );
  await prometheus.waitUntilScraped();
  return prometheus;
}

describe.each([
  ['text', false],
  ['protobuf, for native histograms', true],
] as const)('Prometheus that asks for %s', (_, nativeHistograms) => {
  let prometheus: Prometheus;

  beforeEach(({ skip }) => {
    skip(...missing('prometheus'));
    prometheus = scrapers[nativeHistograms ? 1 : 0];
  });

  const values = async (promql: string): Promise<number[]> =>
    (await prometheus.query(promql)).map(({ value }) => value);

  test('scrapes all targets, one of them with TLS and basic authentication', async () => {
    expect(await values('sort(up)')).toEqual([1, 1, 1]);
  });

  test('has every series with the labels of its push, and no others', async () => {
    const rows = await prometheus.query('rows');
    expect(new Set(rows.map(({ metric, value }) => ({ ...metric, value })))).toEqual(
      new Set([
        { __name__: 'rows', job: 'batch', value: 42 },
        { __name__: 'rows', job: 'a/b', value: 43 },
      ]),
    );
    const scraped = samples(await gateway.scrape());
    const kept = await prometheus.query('{job=~"web|batch|a/b|failed"}');
    const pushed = scraped.filter(({ labels }) => labels['job'] !== 'native');
    expect(kept.map(({ metric }) => seriesOf(metric)).toSorted()).toEqual(
      pushed.map(({ name, labels }) => seriesOf(labels, name)).toSorted(),
    );
    // Prometheus neither doubled nor dropped any.
    const added = await values('scrape_samples_scraped{job="pushed"} - scrape_samples_post_metric_relabeling');
    expect(added).toEqual([0]);
  });

  test('has their values', async () => {
    expect(await values('requests_total{path="/ü \\"q\\" \\\\ \\n"}')).toEqual([3]);
    expect(await values('requests_total{path=""}')).toEqual([1e-9]);
    expect(await values('temperature{at="nowhere"}')).toEqual([NaN]);
    expect(await values('temperature{at="sun"}')).toEqual([Infinity]);
    expect(await values('temperature{at="space"}')).toEqual([-270.5]);
    expect(await values('plain')).toEqual([7]);
    expect(await values('size_bytes{quantile="0.5"} + on() size_bytes_sum * on() size_bytes_count')).toEqual([29]);
    expect(await values('histogram_quantile(0.25, latency_seconds_bucket)')).toEqual([0.1]);
    expect(await values('latency_seconds_sum / latency_seconds_count')).toEqual([0.625]);
    expect(await values('push_time_seconds{job="failed"}')).toEqual([0]);
    expect(await values('time() - push_failure_time_seconds{job="failed"} < bool 300')).toEqual([1]);
  });

  test('has TYPE and HELP', async () => {
    const metadata = await prometheus.metadata();
    expect(metadata).toMatchObject({
      requests_total: [{ type: 'counter', help: 'Requests,\nby "path" and \\.' }],
      temperature: [{ type: 'gauge', help: '' }],
      plain: [{ type: 'unknown' }],
      size_bytes: [{ type: 'summary', help: 'A summary.' }],
      latency_seconds: [{ type: 'histogram', help: 'A histogram.' }],
      sparse_seconds: [{ type: 'histogram', help: 'Sparse buckets.' }],
      push_time_seconds: [
        { type: 'gauge', help: 'Last Unix time when changing this group in the Pushgateway succeeded.' },
      ],
      pushgateway_redis_up: [{ type: 'gauge' }],
    });
  });

  if (nativeHistograms) {
    test('has native histograms', async () => {
      expect(await values('histogram_count(sparse_seconds{path="/",job="native",instance="n"})')).toEqual([5]);
      expect(await values('histogram_sum(sparse_seconds)')).toEqual([10]);
      expect(await values('histogram_quantile(1, sparse_seconds)')).toEqual([4]);
      expect(await values('histogram_quantile(0.2, sparse_seconds)')).toEqual([0.001]);
      expect(await values('histogram_count(floats_seconds)')).toEqual([4.5]);
      expect(await values('histogram_fraction(0, 1, floats_seconds)')).toEqual([1.5 / 4.5]);
      expect(await values('{__name__=~"(sparse|floats)_seconds_.+"}')).toEqual([]);
    });
  } else {
    test('has the part of native histograms that text can express', async () => {
      expect(await values('sparse_seconds_count{path="/",job="native",instance="n"}')).toEqual([5]);
      expect(await values('sparse_seconds_sum')).toEqual([10]);
      expect(await values('sparse_seconds_bucket{le="+Inf"}')).toEqual([5]);
      expect(await values('count({__name__=~"sparse_seconds.*"})')).toEqual([3]);
    });
  }

  test('drops deleted series with the next scrape', async () => {
    await gateway.push('/metrics/job/short', 'short_lived 1\n');
    await eventually(async () => (await values('short_lived')).length === 1);
    await gateway.delete('/metrics/job/short');
    await eventually(async () => (await values('short_lived')).length === 0, { timeoutMs: 10_000 });
  });

  test('logs no warnings', () => {
    const complaints = prometheus
      .log()
      .split('\n')
      .filter((line) => /level="?(warn|error)/i.test(line));
    expect(complaints).toEqual([]);
  });
});

describe('a scrape', () => {
  const PROMETHEUS_2 =
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
  const PROMETHEUS_3 =
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,' +
    'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';
  const NATIVE_3 = `application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,${PROMETHEUS_3}`;

  // OpenMetrics is off by default: Prometheus prefers it, and counters without _total would change their names.
  test.each([
    ['of Prometheus 2', PROMETHEUS_2, 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores'],
    ['of Prometheus 3', PROMETHEUS_3, 'text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8'],
    ['of Prometheus 3 for native histograms', NATIVE_3, `${PROTOBUF}; escaping=underscores`],
    ['of a browser', 'text/html,*/*;q=0.8', 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores'],
  ])('%s gets its format, with and without gzip', async (_, accept, type) => {
    const plain = await gateway.request('/metrics', { headers: { accept } });
    expect(plain).toMatchObject({ status: 200, headers: { 'content-type': type } });
    expect(plain.headers).not.toHaveProperty('content-encoding');
    const zipped = await gateway.request('/metrics', { headers: { accept, 'accept-encoding': 'gzip' } });
    expect(zipped.headers).toMatchObject({ 'content-type': type, 'content-encoding': 'gzip' });
    expect(gunzipSync(zipped.body).equals(plain.body)).toBe(true);
  });

  test('without the password is refused', async () => {
    const port = Number(new URL(secured.url).port);
    expect(await ask(port, '/metrics', { ca: secured.certificate })).toMatchObject({ status: 401 });
  });
});
