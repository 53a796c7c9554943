import { beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { sampleValue, samples } from '../../support/metrics-text.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { applied } from '../../support/http/request.ts';

// A group with many families that receives POSTs of few families, with a gateway of all roles and a separate reader.

const FAMILIES = 2_000;
const PAIRS = 5;

let redis: RedisServer;
let reader: Gateway;
let all: Gateway;

beforeAll(async () => {
  redis = await startRedis();
  [all, reader] = await Promise.all([
    startGateway({ redis, args: ['--redis.expiration=1h'] }),
    startGateway({ role: 'reader', redis }),
  ]);
});

const filling = (value: number): string =>
  Array.from({ length: FAMILIES }, (_, i) => `# TYPE filling_${i} gauge\nfilling_${i} ${value}\n`).join('');
const pair = (i: number, value: number): string => `left_${i} ${value}\nright_${i} ${value}\n`;
const pairs = (value: number): string => Array.from({ length: PAIRS }, (_, i) => pair(i, value)).join('');

async function push(job: string, method: 'PUT' | 'POST', body: string): Promise<void> {
  const answer = await all.push(`/metrics/job/${job}`, body, { ...applied, method });
  expect(answer, answer.text).toMatchObject({ status: 200 });
}

/** Values of the samples of the group, by name. */
async function scraped(from: Gateway, job: string): Promise<Map<string, number>> {
  const own = samples(await from.scrape()).filter(({ labels }) => labels['job'] === job);
  return new Map(own.map(({ name, value }) => [name, value]));
}

/** Number of calls of a command, including those of scripts. */
async function calls(command: string): Promise<number> {
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await redis.cli('INFO', 'commandstats'))?.[1] ?? 0);
}

describe('a POST of one family', () => {
  test('no process reads the whole group', async () => {
    const count = 50;
    await push('large', 'PUT', filling(0));
    await expect.poll(async () => (await scraped(reader, 'large')).get('filling_0')).toBe(0);
    const before = { calls: await calls('hgetall'), bytes: Number(await redis.info('total_net_output_bytes')) };
    for (let i = 1; i <= count; i++)
      await push('large', 'POST', `# TYPE filling_${i} gauge\nfilling_${i} ${i}\nnew_${i} ${i}\n`);
    for (const each of [all, reader]) {
      await expect.poll(async () => (await scraped(each, 'large')).get(`new_${count}`)).toBe(count);
    }
    const text = await reader.scrape();
    for (let i = 1; i <= count; i++) expect(sampleValue(text, `filling_${i}`, { job: 'large' })).toBe(i);
    expect((await scraped(reader, 'large')).size).toBe(FAMILIES + count + 2);
    expect((await calls('hgetall')) - before.calls).toBe(0);
    // Fetching the whole group takes more calls than that, and it is not fetched for each push.
    const bytes = Number(await redis.info('total_net_output_bytes')) - before.bytes;
    expect(bytes / count).toBeLessThan(0.1 * filling(0).length);
  });

  test('is accepted with the type that another group has, and refused with another type', async () => {
    await push('typed', 'PUT', filling(0));
    await push('typed', 'POST', '# TYPE typed gauge\ntyped 1\n');
    const other = await all.push('/metrics/job/other', '# TYPE typed counter\ntyped 1\n', applied);
    expect(other.status).toBe(400);
    expect(other.text).toContain('group {job="typed"} holds it as gauge');
    // The same in the large group: from now on the other type is refused, and the type of the group is accepted.
    await push('typed', 'POST', '# TYPE typed counter\ntyped 2\n');
    await push('other', 'PUT', '# TYPE typed counter\ntyped 1\n');
    const back = await all.push('/metrics/job/typed', '# TYPE typed gauge\ntyped 1\n', {
      ...applied,
      method: 'POST',
    });
    expect(back.status).toBe(400);
    expect(back.text).toContain('group {job="other"} holds it as counter');
  });
});

test('no scrape shows half of a push during concurrent pushes', async () => {
  const job = 'halves';
  await push(job, 'PUT', filling(0) + pairs(0));
  await expect.poll(async () => (await scraped(reader, job)).size).toBe(FAMILIES + 2 * PAIRS + 2);
  const pusher = async (i: number): Promise<void> => {
    for (let value = 1; value <= 60; value++) await push(job, 'POST', pair(i, value));
  };
  const replacer = async (): Promise<void> => {
    for (let value = 101; value <= 110; value++) await push(job, 'PUT', filling(value) + pairs(value));
  };
  const over = new AbortController();
  let scrapes = 0;
  const watch = async (from: Gateway): Promise<void> => {
    for (; !over.signal.aborted; scrapes++) {
      const held = await scraped(from, job);
      const fillings = [...held].filter(([name]) => name.startsWith('filling_'));
      expect(fillings.length).toBe(FAMILIES);
      expect(new Set(fillings.map(([, value]) => value)).size).toBe(1);
      for (let i = 0; i < PAIRS; i++) {
        const left = held.get(`left_${i}`);
        expect(left, `of ${i}`).toBe(held.get(`right_${i}`));
        // Then the pair is from a PUT, as the filling is.
        if (left === undefined || left > 100) expect(left).toBe(fillings[0]?.[1]);
      }
    }
  };
  const watching = Promise.all([all, reader].map(watch));
  // Fails at the first error instead of after the last push.
  const pushing = Promise.all([...Array.from({ length: PAIRS }, (_, i) => pusher(i)), replacer()]);
  await Promise.race([pushing, watching]).finally(() => over.abort());
  await watching;
  await pushing;
  expect(scrapes).toBeGreaterThan(1);
});
