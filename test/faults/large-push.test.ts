import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startGateway } from '../support/servers/gateway.ts';
import { sampleValue } from '../support/metrics-text.ts';
import { startRedis } from '../support/redis/server.ts';
import { applied, keepAlive, type Answer } from '../support/http/request.ts';

// A large push does not delay other requests.

const MB = 1_000_000;

/** Repeats lines up to this length. */
function bodyOf(bytes: number, line: (i: number) => string): string {
  const lines: string[] = [];
  let length = 0;
  for (let i = 0; ; i++) {
    const next = line(i);
    length += next.length;
    if (length > bytes) return lines.join('');
    lines.push(next);
  }
}

test('small pushes are answered while a push of 16 MB is parsed', async () => {
  const redis = await startRedis();
  const gateway = await startGateway({ redis, args: ['--ingest.threads=1'] });
  await gateway.push('/metrics/job/warm', 'warm 1\n', applied);
  const body = bodyOf(16 * MB, (i) => `http_requests_total{method="GET",path="/api/v1/items/${i}",code="200"} ${i}\n`);
  let answer: Answer | undefined;
  const sent = performance.now();
  const large = gateway.push('/metrics/job/large', body, { timeoutMs: 60_000 }).then((one) => (answer = one));
  // Its body has arrived and is being parsed in a thread.
  while (!/^pushgateway_inflight_bytes [1-9]\d{7}/m.test(await gateway.telemetry())) await sleep(5);
  await sleep(100);

  const agent = keepAlive(1);
  const durations: number[] = [];
  const startedAt = performance.now();
  for (let i = 0; i < 50; i++) {
    const before = performance.now();
    expect((await gateway.push(`/metrics/job/small${i}`, 'small 1\n', { agent })).status).toBe(202);
    durations.push(performance.now() - before);
  }
  const totalMs = performance.now() - startedAt;
  agent.destroy();
  expect(answer, 'the large one was still under way').toBeUndefined();
  expect((await large).status, (await large).text).toBe(202);
  const largeMs = performance.now() - sent;
  const worst = Math.max(...durations);
  console.log(
    `50 small pushes in ${Math.round(totalMs)} ms, the slowest ${Math.round(worst)} ms; the large one took ${Math.round(largeMs)} ms`,
  );
  // If it blocked the event loop, one small push would wait for nearly all of that time.
  expect(worst).toBeLessThan(largeMs / 3);
  expect((await gateway.push('/metrics/job/large', 'last 1\n', { method: 'POST', ...applied })).status).toBe(200);
  const series = 'http_requests_total';
  expect(sampleValue(await gateway.scrape(), series, { path: '/api/v1/items/7', job: 'large' })).toBe(7);
});

test('a push that is too large is refused with one line, and the gateway survives', async () => {
  const redis = await startRedis();
  const gateway = await startGateway({ redis, args: ['--ingest.threads=1'] });
  // A million series of a few bytes each.
  const body = bodyOf(16 * MB, (i) => `f{i="${i.toString(36)}"} 1\n`);
  const answers: Answer[] = [];
  const large = gateway.push('/metrics/job/large', body, { timeoutMs: 60_000 }).then((one) => answers.push(one));
  let small = 0;
  while (answers.length === 0) {
    expect((await gateway.push('/metrics/job/small', `small ${++small}\n`)).status).toBe(202);
    await sleep(20);
  }
  await large;
  const { status, text } = answers[0] as Answer;
  console.log(`${text.trim()}; ${small} small pushes meanwhile`);
  expect(status).toBe(413);
  expect(text).toBe('the push has more than the 500000 series allowed (--push.max-series-per-push): split it\n');
  expect(gateway.process.exit).toBeUndefined();
  // The next large push is accepted.
  const next = bodyOf(MB, (i) => `next{i="${i}"} ${i}\n`);
  expect((await gateway.push('/metrics/job/next', next, applied)).status).toBe(200);
  expect(sampleValue(await gateway.scrape(), 'next', { i: '9' })).toBe(9);
  expect(await gateway.telemetry()).toMatch(/^pushgateway_inflight_bytes 0$/m);
});

test.for<[what: string, path: string, line: (i: number) => string, said: string]>([
  ['a group', '/metrics/job/large', (i) => `z${i} ${i}\n`, 'has more than the 20000 families allowed'],
  [
    '/ingest',
    '/ingest',
    (i) => `z{i="${i}"} ${i}\n`,
    'brings 400000 families to its groups, more than the 20000 allowed',
  ],
])('too many families for %s: refused without a delay for others', async ([, path, line, said]) => {
  const redis = await startRedis();
  const gateway = await startGateway({ redis, args: ['--ingest.threads=1'] });
  await gateway.push('/metrics/job/small', 'small 0\n', applied);
  const body = Array.from({ length: 400_000 }, (_, i) => line(i)).join('');
  const options = { method: 'POST', body, timeoutMs: 60_000 } as const;
  const answers: Answer[] = [];
  const large = gateway.request(path, options).then((one) => answers.push(one));
  let small = 0;
  while (answers.length === 0) {
    expect((await gateway.push('/metrics/job/small', `small ${++small}\n`, applied)).status).toBe(200);
    expect(sampleValue(await gateway.scrape(), 'small'), 'merged and shown meanwhile').toBe(small);
  }
  await large;
  const { status, text } = answers[0] as Answer;
  expect({ status, text }).toEqual({
    status: 413,
    text: `the push ${said} (--push.max-families-per-push): split it\n`,
  });
  console.log(`${small} small pushes were merged and scraped meanwhile`);
  expect(small).toBeGreaterThan(0);
  expect((await gateway.scrape()).match(/^z/gm), 'nothing of it was stored').toBeNull();
  // The maximum number is accepted, split over several pushes.
  for (const part of [0, 1]) {
    const lines = Array.from({ length: 10_000 }, (_, i) => line(part * 10_000 + i)).join('');
    expect((await gateway.request(path, { method: 'POST', body: lines, ...applied })).status).toBe(200);
  }
  expect((await gateway.scrape()).match(/^z/gm)).toHaveLength(20_000);
});
