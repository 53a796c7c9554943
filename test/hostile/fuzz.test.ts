import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/servers/gateway.ts';
import { startNginx } from '../support/servers/nginx.ts';
import { projectFolder } from '../support/project.ts';
import { missing } from '../support/process/tools.ts';
import { request } from '../support/http/request.ts';
import { ask } from '../support/http/web-server.ts';
import { cutEverywhere } from './fuzz/cut.ts';
import { fuzz } from './fuzz/fuzz-run.ts';
import { converse } from './fuzz/http1-conversation.ts';
import { converseHttp2 } from './fuzz/http2-conversation.ts';
import { raisePriority, startTarget } from './siege.ts';

/** Without HOSTILE_SECONDS, a few seconds for each test. */
const SECONDS = Number(process.env['HOSTILE_SECONDS'] ?? 6);

// Streams that were left open do not hold up the end of a test.
const KEEP = ['--redis.expiration=0', '--shutdown.grace=10s'];

beforeAll(raisePriority);

test('HTTP/1.1: no request is answered twice, to another client, or not at all', async () => {
  const gateway = await startTarget('plain', KEEP);
  const stored = new Set<string>();
  const { faults } = await fuzz('http1', SECONDS, async (seed) => converse(gateway.port, seed, { stored }));
  expect(faults.join('\n')).toEqual('');
  await expectAlive(gateway);
  await expectStored(gateway, stored);
});

test('HTTP/1.1 through nginx: other clients receive their own answers', async ({ skip }) => {
  skip(...missing('nginx'));
  const gateway = await startTarget('plain', KEEP);
  const config = join(projectFolder, 'deploy/nginx/ingest.conf');
  const address = `127.0.0.1:${gateway.port}`;
  const nginx = await startNginx(config, { 'ingest-1:9753': address, 'ingest-2:9753': address });
  const port = Number(new URL(nginx.url).port);
  const others = bystanders(nginx.url);
  const { faults } = await fuzz('http1 through nginx', SECONDS, async (seed) =>
    converse(port, seed, { isProxied: true }),
  );
  expect([...faults, ...(await others.stop())].join('\n')).toEqual('');
  await expectAlive(gateway);
  expect(nginx.process.isRunning).toBe(true);
});

test('HTTP/1.1: a push that is cut off after any of its bytes is not stored', async () => {
  const gateway = await startTarget('plain', KEEP);
  const endsAt = performance.now() + SECONDS * 1_000;
  for (let round = 0; round < 2 || (performance.now() < endsAt && round < 20); round++) {
    const { incomplete, complete } = await cutEverywhere(gateway.port, round);
    await expectStored(gateway, new Set(complete.map(({ tag }) => tag)));
    const text = await gateway.scrape();
    expect(incomplete.filter(({ tag }) => text.includes(tag)).map(({ what }) => what)).toEqual([]);
  }
  await expectAlive(gateway);
});

test('HTTP/2: every stream receives its own answer, once', async () => {
  const gateway = await startTarget('tls', KEEP);
  const lost = new Set<string>();
  const { faults } = await fuzz('http2', SECONDS, async (seed) => converseHttp2(gateway.port, seed, lost));
  expect(faults.join('\n')).toEqual('');
  expect(gateway.process.exit).toBeUndefined();
  expect(gateway.process.log()).not.toMatch(/level=error|uncaught/i);
  const { status, text } = await ask(gateway.port, '/metrics');
  expect(status).toBe(200);
  expect([...lost].filter((tag) => text.includes(tag))).toEqual([]);
});

/** It still runs, and has logged no error. */
async function expectAlive(gateway: Gateway): Promise<void> {
  expect(gateway.process.exit).toBeUndefined();
  expect(gateway.process.log()).not.toMatch(/level=error|uncaught/i);
  expect((await gateway.push('/metrics/job/after', 'after 1\n')).status).toBe(202);
}

async function expectStored(gateway: Gateway, tags: ReadonlySet<string>): Promise<void> {
  await eventually(
    async () => {
      const text = await gateway.scrape();
      const missed = [...tags].filter((tag) => !text.includes(tag));
      if (missed.length > 0) throw new Error(`accepted, but not stored: ${missed.join(', ')}`);
    },
    { timeoutMs: 20_000, what: 'all pushes that were answered 202' },
  );
}

/** Clients that send one valid request after the other meanwhile. */
function bystanders(url: string): { stop(): Promise<string[]> } {
  const faults: string[] = [];
  const stopping = new AbortController();
  const live = async (client: number): Promise<void> => {
    for (let n = 0; !stopping.signal.aborted; n++) {
      const tag = `bystander-${client}-${n}.`;
      const { status, text } = await request(url, `/metrics/job/x/${tag}`, { method: 'PUT', body: 'a 1\n' });
      if (status !== 400 || !text.includes(tag)) faults.push(`${tag} was answered ${status} ${text.slice(0, 200)}`);
      await sleep(5);
    }
  };
  const clients = Promise.all(Array.from({ length: 4 }, async (_, client) => live(client)));
  return {
    stop: async () => {
      stopping.abort();
      await clients;
      return faults;
    },
  };
}
