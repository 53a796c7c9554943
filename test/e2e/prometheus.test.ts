import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway, type Role } from '../support/servers/gateway.ts';
import { familyHelps, familyTypes, sampleLines } from '../support/metrics-text.ts';
import { projectFolder } from '../support/project.ts';
import { promtoolCheckMetrics, startPrometheus, type Prometheus } from '../support/servers/prometheus.ts';
import { startRedis, type RedisServer } from '../support/redis/server.ts';
import { applied } from '../support/http/request.ts';

// A real Prometheus scrapes pushed metrics and answers queries; promtool reports no problems.

const example = readFileSync(join(projectFolder, 'examples/data.txt'), 'utf8');
let redis: RedisServer;
let gateway: Gateway;

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGateway({ redis });
});

describe('Prometheus', () => {
  let prometheus: Prometheus;

  beforeAll(async () => {
    const target = [`127.0.0.1:${gateway.port}`];
    prometheus = await startPrometheus([
      { job_name: 'pushed', honor_labels: true, static_configs: [{ targets: target }] },
      { job_name: 'own', metrics_path: '/telemetry', static_configs: [{ targets: target }] },
    ]);
  });

  /** Waits until the answer of Prometheus is this. */
  async function expectAnswer(promql: string, expected: number | undefined): Promise<void> {
    await eventually(
      async () => {
        const answer = await prometheus.query(promql);
        expect(answer.map(({ value }) => value)).toEqual(expected === undefined ? [] : [expected]);
      },
      { timeoutMs: 15_000, intervalMs: 100, what: promql },
    );
  }

  test('answers PromQL for pushed series, with their own labels', async () => {
    await gateway.push('/metrics/job/backup/instance/db-1', '# TYPE rows gauge\nrows{table="orders"} 42\n', applied);
    await expectAnswer('rows{job="backup",instance="db-1",table="orders"}', 42);
    await expectAnswer('rows{exported_job=~".+"}', undefined);
    await expectAnswer('time() - push_time_seconds{job="backup",instance="db-1"} < bool 60', 1);
  });

  test('sees a pushed change, and the end of the series after DELETE', async () => {
    const path = '/metrics/job/changing/instance/i';
    await gateway.push(path, 'changing 1\n', applied);
    await expectAnswer('changing', 1);
    await gateway.push(path, 'changing 2\n', applied);
    await expectAnswer('changing', 2);
    await gateway.delete(path, applied);
    await expectAnswer('changing', undefined);
  });

  test('computes with pushed histograms and summaries', async () => {
    await gateway.ingest(example, applied);
    await expectAnswer('histogram_quantile(0.5, checkout_duration_seconds_bucket{host="web-1"}) > bool 0.1', 1);
    await expectAnswer('checkout_duration_seconds_count{host="web-1"}', 1443);
    await expectAnswer('import_rows{host="db-1",quantile="0.5"}', 1200);
  });

  test('scrapes every target without an error', async () => {
    await prometheus.waitUntilScraped();
    await expectAnswer('count(up == 1)', 2);
    await expectAnswer('pushgateway_redis_up{job="own"}', 1);
  });
});

test('the examples are served with every HELP, TYPE and sample', async () => {
  await gateway.ingest(example, applied);
  const text = await gateway.scrape();
  const shown = new Set(sampleLines(text));
  for (const line of sampleLines(example)) expect(shown, line).toContain(line);
  for (const [name, type] of familyTypes(example)) expect([name, familyTypes(text).get(name)]).toEqual([name, type]);
  for (const [name, help] of familyHelps(example)) expect([name, familyHelps(text).get(name)]).toEqual([name, help]);
});

describe('promtool check metrics', () => {
  test('accepts /metrics', async () => {
    const own = await startGateway({ redis: await startRedis() });
    await own.ingest(example, applied);
    await own.push('/metrics/job/j', '# HELP m_total h\n# TYPE m_total counter\nm_total 1\n', applied);
    expect(await promtoolCheckMetrics(await own.scrape())).toEqual({ ok: true, output: '' });
  });

  test.for<Role>(['all', 'ingest', 'worker', 'reader'])('accepts /telemetry of %s', async (role) => {
    const one = role === 'all' ? gateway : await startGateway({ redis, role });
    if (role === 'all' || role === 'ingest') await one.push('/metrics/job/j', 'm_total 1\n');
    await one.request('/metrics');
    expect(await promtoolCheckMetrics(await one.telemetry())).toEqual({ ok: true, output: '' });
  });
});
