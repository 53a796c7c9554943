import { beforeAll, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { sampleLines, samples, sampleValue, select } from '../../support/metrics-text.ts';
import { startRedis } from '../../support/redis/server.ts';
import { applied } from '../../support/http/request.ts';

// push_time_seconds and push_failure_time_seconds, which every group has.

let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({ redis: await startRedis() });
});

async function times(job: string): Promise<{ success: number | undefined; failure: number | undefined }> {
  const text = await gateway.scrape();
  return {
    success: sampleValue(text, 'push_time_seconds', { job }),
    failure: sampleValue(text, 'push_failure_time_seconds', { job }),
  };
}

test('the last success is shown with the labels of the group', async () => {
  const before = Date.now() / 1000;
  await gateway.push('/metrics/job/pushed/zone/z', 'm 1\n', applied);
  const [sample] = select(await gateway.scrape(), 'push_time_seconds', { job: 'pushed' });
  expect(sample?.labels).toEqual({ instance: '', job: 'pushed', zone: 'z' });
  expect(sample?.value).toBeGreaterThanOrEqual(before - 0.001);
  expect(sample?.value).toBeLessThanOrEqual(Date.now() / 1000);
  expect((await times('pushed')).failure).toBe(0);
});

test.for(['PUT', 'POST'])('an empty %s creates a group with only its push times', async (method) => {
  const job = `empty-${method}`;
  await gateway.push(`/metrics/job/${job}`, '', { ...applied, method });
  const own = samples(await gateway.scrape()).filter(({ labels }) => labels['job'] === job);
  expect(own.map(({ name }) => name)).toEqual(['push_failure_time_seconds', 'push_time_seconds']);
});

test.for(['PUT', 'POST'])('an empty %s updates the time of the last success', async (method) => {
  const path = `/metrics/job/moved-${method}`;
  await gateway.push(path, 'm 1\n', applied);
  const first = await times(`moved-${method}`);
  await gateway.push(path, '', { ...applied, method });
  expect((await times(`moved-${method}`)).success).toBeGreaterThan(first.success ?? Infinity);
});

test('pushed push times are ignored', async () => {
  await gateway.push('/metrics/job/faked', 'push_time_seconds 1\npush_failure_time_seconds 2\nm 1\n', applied);
  const { success, failure } = await times('faked');
  expect(success).toBeGreaterThan(1e9);
  expect(failure).toBe(0);
});

test('a push that is refused for its content only updates the failure time', async () => {
  await gateway.push('/metrics/job/refused', 'm 1\n', applied);
  const before = await times('refused');
  const answer = await gateway.push('/metrics/job/refused', 'm 2 1600000000000\n', applied);
  expect(answer.status).toBe(400);
  expect(answer.text).toMatch(/^pushed metrics are invalid or inconsistent with existing metrics: .*timestamp/);
  await expect.poll(async () => (await times('refused')).failure).toBeGreaterThan(before.success ?? Infinity);
  expect((await times('refused')).success).toBe(before.success);
  expect(sampleLines(await gateway.scrape())).toContain('m{instance="",job="refused"} 1');
});

test('a group without a successful push has a failure time and a success time of 0', async () => {
  expect((await gateway.push('/metrics/job/hapless', 'm 1\nm 2\n')).status).toBe(400);
  await expect.poll(async () => (await times('hapless')).failure).toBeGreaterThan(1e9);
  expect((await times('hapless')).success).toBe(0);
});

test('they are deleted with the group', async () => {
  await gateway.push('/metrics/job/gone', 'm 1\n', applied);
  await gateway.delete('/metrics/job/gone', applied);
  expect(await times('gone')).toEqual({ success: undefined, failure: undefined });
});
