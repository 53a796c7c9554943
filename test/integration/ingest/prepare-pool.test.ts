import type { IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import type { PreparePool } from '../../../services/ingest/prepare/prepare-pool.ts';
import { preparePush, type PreparedGroup, type PrepareOptions } from '../../../services/ingest/prepare/prepare-push.ts';
import type { HistogramFamily } from '../../../shared/model/metric-family.ts';
import { encodeFamily } from '../../../shared/exposition/protobuf/codec.ts';
import { InflightBytes, type Hold } from '../../../shared/http/body/inflight-bytes.ts';
import { makeGroup } from '../../../shared/model/group.ts';
import type { FamilyContent } from '../../../shared/records/family-record.ts';
import { hold } from '../../support/process/resources.ts';

// Pushes prepared in a thread and in the main thread are equal. Threads need the built files.

const SMALL_BYTES = 64 * 1024;
const group = makeGroup('push', [['job', 'j']]);
const PUSH: PrepareOptions = { format: 'text', group, maxSeries: 0, maxFamilies: 0 };
const INGEST: PrepareOptions = { ...PUSH, group: undefined };

/** As for requests from this address. */
const from = (remoteAddress: string, inflight = new InflightBytes(Infinity)): Hold => {
  return inflight.open({ socket: { remoteAddress }, headers: {} } as IncomingMessage);
};
const client = from('192.0.2.1');

const MAX_BYTES = 16 * 1024 * 1024;

let pool: PreparePool;

async function startPool(threads: number, maxBodyBytes = MAX_BYTES): Promise<PreparePool> {
  const built = new URL('../../../dist/services/ingest/prepare/prepare-pool.js', import.meta.url).href;
  const started = new ((await import(built)) as { PreparePool: typeof PreparePool }).PreparePool(threads, maxBodyBytes);
  hold('prepare pool', async () => await started.destroy());
  return started;
}

beforeAll(async () => {
  pool = await startPool(1);
});

/** The text, extended by a comment to this length. */
function padded(text: string, bytes: number): Buffer {
  const rest = bytes - Buffer.byteLength(text) - 3;
  return Buffer.from(`${text}# ${'x'.repeat(rest)}\n`);
}

const hex = ({ exact }: FamilyContent): string => Buffer.from(exact ?? []).toString('hex');
const contents = (groups: readonly PreparedGroup[]) =>
  groups.map(({ groupId, labels, families }) => {
    return {
      groupId,
      labels,
      families: families.map(({ name, content }) => {
        return { name, ...content, text: Buffer.from(content.text).toString(), exact: hex(content) };
      }),
    };
  });

const isFromThread = (groups: readonly PreparedGroup[]): boolean =>
  groups.some(({ families }) => families.some(({ labelSets }) => labelSets === undefined));

describe('the content is the same just below and just above the limit', () => {
  const HISTOGRAM =
    '# HELP h what\\nit is\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n';
  test.for<[what: string, text: string, options: PrepareOptions]>([
    ['a push', 'a{x="1"} 1\na{x="2"} -0\nb 1e9\n', PUSH],
    ['several types', `${HISTOGRAM}# TYPE s summary\ns{quantile="0.5"} 1\ns_sum 1\ns_count 1\n`, PUSH],
    ['characters of many bytes', 'a{x="größer \u{1f600}"} 1\n', PUSH],
    ['names in UTF-8', '{"größe",x="1"} 1\n', { ...PUSH, utf8Names: true }],
    ['series', 'a{x="1"} 1\na{x="2"} 2\nb{x="1"} 3\n', INGEST],
    ['nothing', '', PUSH],
    ['no series', '', INGEST],
  ])('%s', async ([, text, options]) => {
    const below = await pool.prepare([padded(text, SMALL_BYTES - 1)], options, client);
    const above = await pool.prepare([padded(text, SMALL_BYTES)], options, client);
    expect(contents(above)).toEqual(contents(below));
    expect(contents(above)).toEqual(contents(preparePush(Buffer.from(text), options)));
    if (text === '') return;
    expect([isFromThread(below), isFromThread(above)]).toEqual([false, true]);
  });

  test('protobuf with content that text cannot express', async () => {
    const family: HistogramFamily = {
      name: 'h',
      help: '',
      type: 'histogram',
      metrics: [{ labels: [['x', 'y'.repeat(SMALL_BYTES)]], buckets: [], sampleCount: 0, sampleSum: -0 }],
    };
    const body = Buffer.from(encodeFamily(family));
    expect(body.length).toBeGreaterThan(SMALL_BYTES);
    for (const options of [PUSH, INGEST]) {
      const protobuf: PrepareOptions = { ...options, format: 'protobuf' };
      const prepared = await pool.prepare([Buffer.from(body)], protobuf, client);
      expect(isFromThread(prepared)).toBe(true);
      expect(contents(prepared)).toEqual(contents(preparePush(body, protobuf)));
      expect(contents(prepared)[0]?.families[0]?.exact).not.toBe('');
    }
  });
});

describe('the refusal is the same just below and just above the limit', () => {
  const refusal = async (body: Buffer, options: PrepareOptions): Promise<object> =>
    await pool.prepare([body], options, client).then(
      () => expect.fail('it was taken'),
      (error: Error & { code?: string }) => {
        return { name: error.name, message: error.message, code: error.code };
      },
    );
  test.for<[what: string, text: string, kind: object]>([
    ['a syntax error', 'a 1\nb{\n', { name: 'GatewayError', code: 'exposition_invalid' }],
    ['a timestamp', 'a 1 2\n', { name: 'GatewayError', code: 'push_inconsistent' }],
    ['a series twice', 'a{x="1"} 1\na{x="1"} 1\n', { name: 'GatewayError', code: 'push_inconsistent' }],
    ['too many series', 'a{x="1"} 1\nb 1\nc 1\nd 1\n', { name: 'GatewayError', code: 'push_too_large' }],
    ['too many families', 'a{x="1"} 1\nb 1\nc 1\n', { name: 'GatewayError', code: 'push_too_large' }],
  ])('%s', async ([, text, kind]) => {
    for (const options of [PUSH, INGEST]) {
      const limited = { ...options, maxSeries: 3, maxFamilies: 2 };
      const below = await refusal(padded(text, SMALL_BYTES - 1), limited);
      expect(below).toMatchObject(kind);
      expect(await refusal(padded(text, SMALL_BYTES), limited)).toEqual(below);
    }
  });
});

test('if too many large pushes wait, the last ones are refused at once, the others are prepared', async () => {
  const busy = await startPool(1);
  const body = padded('a 1\n', SMALL_BYTES);
  const prepare = async () => await busy.prepare([Buffer.from(body)], PUSH, client);
  const all = await Promise.allSettled(Array.from({ length: 300 }, prepare));
  // Two are in threads, and 256 wait for a thread.
  expect(all.map(({ status }) => status)).toEqual([
    ...Array.from({ length: 258 }, () => 'fulfilled'),
    ...Array.from({ length: 42 }, () => 'rejected'),
  ]);
  const text = expect.stringContaining('too many large pushes are in flight') as string;
  for (const one of all) {
    if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'overloaded', message: text });
  }
  expect(await prepare(), 'later').toHaveLength(1);
});

describe('a small body that becomes large is prepared in a thread', () => {
  test.for<[what: string, body: Buffer, more: Partial<PrepareOptions>]>([
    ['inflated', gzipSync(padded('a 1\n', SMALL_BYTES + 1)), { encoding: 'gzip', maxBytes: MAX_BYTES }],
    [
      'as text with all labels',
      Buffer.from(Array.from({ length: 200 }, (_, i) => `a{i="${i}"} 1\n`).join('')),
      { group: makeGroup('push', [['job', 'j'.repeat(6_000)]]) },
    ],
  ])('%s', async ([, body, more]) => {
    expect(isFromThread(await pool.prepare([body], { ...PUSH, ...more }, client))).toBe(true);
  });
});

test('a push that needs more memory than a thread has is refused, and the next one is prepared', async () => {
  const tight = await startPool(1, 1);
  const lines = Array.from({ length: 400_000 }, (_, i) => `a{i="${i}"} 1\n`).join('');
  await expect(tight.prepare([Buffer.from(lines)], PUSH, client)).rejects.toMatchObject({
    code: 'push_too_large',
    message: 'the push needs more than 129 MB of memory to be read: split it',
  });
  expect(await tight.prepare([padded('a 1\n', SMALL_BYTES)], PUSH, client)).toHaveLength(1);
});

test('a push that waits for a thread can be cancelled for another client', async () => {
  const busy = await startPool(1);
  const inflight = new InflightBytes(4 * SMALL_BYTES);
  const pushes = Array.from({ length: 4 }, async () => {
    const own = from('192.0.2.1', inflight);
    own.resize(SMALL_BYTES);
    return await busy.prepare([padded('a 1\n', SMALL_BYTES)], PUSH, own);
  });
  const all = Promise.allSettled(pushes);
  from('192.0.2.2', inflight).resize(SMALL_BYTES);
  expect((await all).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
});
