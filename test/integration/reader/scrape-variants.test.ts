import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { sampleValue } from '../../support/metrics-text.ts';
import { startRedis } from '../../support/redis/server.ts';
import { applied } from '../../support/http/request.ts';

// Variants of the exposition: partitioned, compressed, conditional.

const GROUPS = 40;
let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({ redis: await startRedis() });
  for (let i = 0; i < GROUPS; i++) await push(i, i);
});

async function push(group: number, value: number): Promise<void> {
  const body = `# TYPE a gauge\na ${value}\n# TYPE b counter\nb{x="y"} ${value}\n`;
  await gateway.push(`/metrics/job/j/instance/${group}`, body, applied);
}

const series = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .toSorted();

describe('partitioned', () => {
  test.for([1, 2, 3, 7])('%i partitions are disjoint, and together complete', async (n) => {
    const partitions: string[][] = [];
    for (let i = 0; i < n; i++) partitions.push(series((await gateway.request(`/metrics?shard=${i}/${n}`)).text));
    expect(partitions.flat().toSorted()).toEqual(series(await gateway.scrape()));
    expect(partitions.every((partition) => partition.length > 0)).toBe(true);
  });

  test('each partition has the header of a family once, and follows changes', async () => {
    const scrape = async (): Promise<string> => (await gateway.request('/metrics?shard=1/2')).text;
    expect((await scrape()).match(/^# TYPE a gauge$/gm)).toHaveLength(1);
    const mine = /^a\{instance="(\d+)"/m.exec(await scrape())?.[1] ?? '';
    await push(Number(mine), 999);
    expect(await scrape()).toContain(`a{instance="${mine}",job="j"} 999\n`);
    await gateway.request(`/metrics/job/j/instance/${mine}`, { method: 'DELETE', ...applied });
    expect(await scrape()).not.toContain(`instance="${mine}"`);
    await push(Number(mine), Number(mine));
  });

  test('as protobuf', async () => {
    const accept = 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=compact-text';
    const texts: string[] = [];
    for (const i of [0, 1]) {
      texts.push((await gateway.request(`/metrics?shard=${i}/2`, { headers: { accept } })).text);
    }
    const instances = texts.map((text) => new Set(text.match(/name:"instance" value:"\d+"/g)));
    expect((instances[0]?.size ?? 0) + (instances[1]?.size ?? 0)).toBe(GROUPS);
  });

  test.for(['2/2', 'x', '', '1/1025', '0/0'])('shard=%s is refused', async (shard) => {
    const { status, text } = await gateway.request(`/metrics?shard=${shard}`);
    const error = `cannot use shard "${shard}": expected i/n with 0 <= i < n <= 1024, for example 0/3\n`;
    expect([status, text]).toEqual([400, error]);
  });
});

test('gzip: the answer has a length, and the body is right after a change', async () => {
  const zipped = async () => await gateway.request('/metrics', { headers: { 'accept-encoding': 'gzip' } });
  await zipped();
  const { headers, body } = await zipped();
  expect(headers['content-length']).toBe(String(body.length));
  expect(gunzipSync(body).toString()).toBe(await gateway.scrape());
  await push(3, 3_000);
  expect(gunzipSync((await zipped()).body).toString()).toBe(await gateway.scrape());
  expect(sampleValue(await gateway.scrape(), 'a', { instance: '3' })).toBe(3_000);
});

test('304 until something changes', async () => {
  const first = await gateway.request('/metrics');
  const tag = String(first.headers['etag']);
  const again = async (known: string) => await gateway.request('/metrics', { headers: { 'if-none-match': known } });
  for (const known of [tag, `"other", W/${tag}`, '*']) {
    const { status, text, headers } = await again(known);
    expect([status, text, headers['etag']], known).toEqual([304, '', tag]);
  }
  await push(5, 5_000);
  expect((await again(tag)).status).toBe(200);
  expect((await again(`W/${tag}`)).status).toBe(200);
});
