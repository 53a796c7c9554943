import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { startRedis } from '../../support/redis/server.ts';
import { applied, type Answer } from '../../support/http/request.ts';

// Limits on memory and computation of queries, pages and scrapes; docs/security.md has the table.

const SERIES = 100_000;
/** A pattern that an automaton matches slowly, below the size limit of request headers. */
const VALUE = `${'ab'.repeat(10_000)}x`;

let gateway: Gateway;
const sockets: Socket[] = [];

beforeAll(async () => {
  gateway = await startGateway({ redis: await startRedis(), args: ['--web.trusted-proxies=127.0.0.0/8'] });
  const body = Array.from({ length: SERIES }, (_, i) => `large{number="${i}"} ${i}\n`).join('');
  await gateway.push('/metrics/job/large', body, applied);
  for (let i = 0; i < 40; i++) await gateway.push(`/metrics/job/long/n/${i}/l/${VALUE}${i}`, 'long 1\n', applied);
}, 120_000);

afterAll(() => {
  for (const socket of sockets) socket.destroy();
});

const get = async (path: string, client: string, headers: Record<string, string> = {}): Promise<Answer> =>
  await gateway.request(path, { headers: { ...headers, 'x-forwarded-for': client } });

/** Sends a request and reads only the beginning of the answer. */
async function begin(path: string, client: string): Promise<void> {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect({ host: hostname, port: Number(port) });
  sockets.push(socket);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: gateway\r\nX-Forwarded-For: ${client}\r\n\r\n`);
  await new Promise((resolve) => socket.once('data', resolve).once('close', resolve));
  socket.pause();
}

test('regular expressions have 2 s for a query, in which other requests are answered', async () => {
  const costly = ['(.*a){60}.*c', '.*(a|b)[ab]{500}[^abx]', String.raw`(?i).*\p{L}{800}[0-9]`, '.*b[ab]{700}q.*'];
  const query = costly.map((pattern) => `match[]=${encodeURIComponent(`{l=~\`${pattern}\`}`)}`).join('&');
  const refused = get(`/api/v1/groups?${query}`, '192.0.2.1');
  for (let i = 0; i < 20; i++) expect((await get('/-/healthy', '192.0.2.2')).status).toBe(200);
  expect(await Promise.race([refused, Promise.resolve('in flight')])).toBe('in flight');
  expect((await refused).status).toBe(400);
  expect((await refused).text).toContain('expected a simpler regular expression');
  expect((await refused).text).toContain('it takes more than 2 s to match');
  // The thread serves the next query.
  const found = await get(`/api/v1/groups?match[]=${encodeURIComponent('{job=~"l[aeiou]rge"}')}`, '192.0.2.1');
  expect(JSON.parse(found.text)).toMatchObject({ data: { total: 1 } });
});

test('a client that does not read two JSON answers gets no third; other clients do', async () => {
  await begin('/api/v1/metrics', '192.0.2.1');
  await begin('/api/v1/metrics', '192.0.2.1');
  const refused = get('/api/v1/groups', '192.0.2.1');
  expect((await get('/api/v1/groups', '192.0.2.2')).status).toBe(200);
  const { status, headers, text } = await refused;
  expect(status).toBe(503);
  expect(headers['retry-after']).toBe('1');
  expect(JSON.parse(text)).toMatchObject({ status: 'error', errorType: 'unavailable' });
  for (const socket of sockets) socket.destroy();
  expect((await get('/api/v1/groups', '192.0.2.1')).status).toBe(200);
}, 60_000);

test('the number of pages in progress for a client is limited; further requests are refused', async () => {
  const page = async (client: string): Promise<number> => (await get('/?q=large', client)).status;
  const many = Array.from({ length: 200 }, async () => page('192.0.2.1'));
  const other = page('192.0.2.2');
  const statuses = await Promise.all(many);
  expect(await other).toBe(200);
  expect(new Set(statuses)).toEqual(new Set([200, 503]));
}, 60_000);

test('the number of different renderings for a client is limited; further scrapes are refused', async () => {
  const scrape = async (n: number, client: string): Promise<number> =>
    (await get(`/metrics?shard=0/${n}`, client, { accept: 'application/openmetrics-text' })).status;
  const many = Array.from({ length: 100 }, async (_, i) => scrape(i + 1, '192.0.2.1'));
  const other = scrape(200, '192.0.2.2');
  const statuses = await Promise.all(many);
  expect(await other).toBe(200);
  expect(new Set(statuses)).toEqual(new Set([200, 503]));
  // Text that is kept ready is not concerned.
  expect((await get('/metrics', '192.0.2.1')).status).toBe(200);
}, 120_000);

test('clients that disconnect before or during their answer release their turns', async () => {
  for (let round = 0; round < 3; round++) {
    const gone = Array.from({ length: 20 }, async () => begin('/api/v1/metrics', '192.0.2.1'));
    await Promise.race(gone);
    for (const socket of sockets.splice(0)) socket.destroy();
    await Promise.all(gone);
  }
  const { status } = await get('/api/v1/groups', '192.0.2.1');
  expect(status).toBe(200);
});
