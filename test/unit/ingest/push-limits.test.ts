/** Each limit on the content of a push: the maximum is accepted, one more is refused. */
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { preparePush, type PrepareOptions } from '../../../services/ingest/prepare/prepare-push.ts';
import { encodeLength } from '../../../shared/exposition/protobuf/codec.ts';
import { maskedCrc32c } from '../../../shared/http/body/crc32c.ts';
import { makeGroup } from '../../../shared/model/group.ts';

const group = makeGroup('push', [['job', 'J']]);
const TEXT: PrepareOptions = { format: 'text', group, maxSeries: 0, maxFamilies: 0 };
const PROTOBUF: PrepareOptions = { ...TEXT, format: 'protobuf' };

const list = (count: number, item: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => item(i)).join('');

/** A field of protobuf with bytes, below 16. */
const field = (number: number, ...content: Uint8Array[]): Buffer => {
  const bytes = Buffer.concat(content);
  return Buffer.concat([Buffer.from([number * 8 + 2]), encodeLength(bytes.length), bytes]);
};
const text = (number: number, content: string): Buffer => field(number, Buffer.from(content));
const times = (count: number, item: (i: number) => Uint8Array): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => item(i)));
const label = (i: number): Buffer => field(1, text(1, `l${i}`), text(2, 'v'));
const message = (type: number, ...fields: Uint8Array[]): Buffer => {
  const bytes = Buffer.concat([text(1, 'm'), Buffer.from([3 * 8, type]), ...fields]);
  return Buffer.concat([encodeLength(bytes.length), bytes]);
};
const GAUGE = 1;
const SUMMARY = 2;
const HISTOGRAM = 4;
/** Bytes of a metric that are skipped, so that the body is large for its elements. */
const filler = (bytes: number): Buffer => field(15, Buffer.alloc(bytes));
const histogram = (...parts: Uint8Array[]): Buffer => message(HISTOGRAM, field(4, field(7, ...parts), filler(200_000)));

describe('the maximum is accepted, one more is refused', () => {
  test.for<[what: string, max: number, body: (count: number) => string | Uint8Array, reason: string]>([
    ['text: labels', 1_000, (n) => `m{${list(n, (i) => `l${i}="",`)}} 1\n`, 'more than the 1000 labels'],
    ['text: name of a metric', 65_536, (n) => `${'n'.repeat(n)} 1\n`, 'metric name "nnn'],
    ['text: name of a label', 65_536, (n) => `m{${'n'.repeat(n)}="v"} 1\n`, 'label name "nnn'],
    ['text: value of a label', 65_536, (n) => `m{l="${'v'.repeat(n)}"} 1\n`, 'label value "vvv'],
    ['text: help', 65_536, (n) => `# HELP m ${'h'.repeat(n)}\nm 1\n`, 'help "hhh'],
    [
      'text: buckets',
      10_000,
      (n) => `# TYPE m histogram\n${list(n, (i) => `m_bucket{le="${i}"} ${i}\n`)}m_sum 1\nm_count ${n}\n`,
      'more than the 10000 buckets',
    ],
    [
      'text: quantiles',
      10_000,
      (n) => `# TYPE m summary\n${list(n, (i) => `m{quantile="0.${i}"} ${i}\n`)}m_sum 1\nm_count ${n}\n`,
      'more than the 10000 buckets',
    ],
    [
      'protobuf: labels',
      1_000,
      (n) => message(GAUGE, field(4, times(n, label), field(2), filler(100))),
      'more than the 1000 labels',
    ],
    [
      'protobuf: value of a label',
      65_536,
      (n) => message(GAUGE, field(4, field(1, text(1, 'l'), text(2, 'v'.repeat(n))), field(2))),
      'label value "vvv',
    ],
    ['protobuf: help', 65_536, (n) => message(GAUGE, text(2, 'h'.repeat(n)), field(4, field(2))), 'help "hhh'],
    ['protobuf: unit', 65_536, (n) => message(GAUGE, text(5, 'u'.repeat(n)), field(4, field(2))), 'unit "uuu'],
    [
      'protobuf: quantiles',
      10_000,
      (n) =>
        message(
          SUMMARY,
          field(
            4,
            field(
              4,
              times(n, () => field(3)),
            ),
            filler(200_000),
          ),
        ),
      'more than the 10000 buckets',
    ],
    ['protobuf: spans', 10_000, (n) => histogram(times(n, () => field(12))), 'more than the 10000 buckets'],
    ['protobuf: deltas', 10_000, (n) => histogram(field(13, Buffer.alloc(n))), 'more than the 10000 buckets'],
    [
      'protobuf: labels of an exemplar',
      1_000,
      (n) => histogram(field(3, field(3, times(n, label)), Buffer.from([17, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f]))),
      'more than the 1000 labels',
    ],
  ])('%s', ([what, max, body, reason]) => {
    const options = what.startsWith('text') ? TEXT : PROTOBUF;
    const push = (count: number) => preparePush(Buffer.from(body(count)), options);
    expect(outcome(() => push(max))).not.toContain('allowed');
    expect(outcome(() => push(max + 1))).toContain(reason);
    expect(() => push(max + 1)).toThrow(expect.objectContaining({ code: 'push_too_large' }) as Error);
  });
});

/** A limit is checked before anything else that may be wrong. */
const outcome = (act: () => unknown): string => {
  try {
    act();
    return 'taken';
  } catch (thrown) {
    return String(thrown);
  }
};

test('protobuf: elements of 1,000 and one for each 8 bytes, over all metrics', () => {
  const metrics = (count: number) =>
    message(
      GAUGE,
      times(count, (i) => field(4, field(1), field(1), field(2), text(15, `${i}`))),
    );
  // Each metric has 2 labels in 12 bytes.
  expect(outcome(() => preparePush(metrics(1_000), PROTOBUF))).not.toContain('one for each 8 bytes');
  expect(outcome(() => preparePush(metrics(4_000), PROTOBUF))).toContain('one for each 8 bytes');
});

test('the text of a push, before it is written', () => {
  const limited = { ...TEXT, maxTextLength: 1_000 };
  const body = (series: number): Buffer => Buffer.from(list(series, (i) => `m{l="${i}"} 1\n`));
  expect(preparePush(body(20), limited)).toHaveLength(1);
  expect(() => preparePush(body(40), limited)).toThrow('takes more than 1000 characters as text');
  // The grouping labels alone are too long. They are not copied, because the limit is checked before timestamps.
  const long = makeGroup('push', [['job', 'J'.repeat(600)]]);
  expect(() => preparePush(Buffer.from('a 1\nb 1 2\n'), { ...limited, group: long })).toThrow(
    '1000 characters as text',
  );
  // One metric with many lines.
  const buckets = `# TYPE m histogram\n${list(100, (i) => `m_bucket{le="${i}"} ${i}\n`)}m_sum 1\nm_count 1\n`;
  expect(() => preparePush(Buffer.from(buckets), limited)).toThrow('1000 characters as text');
});

test('gzip: the inflated body', () => {
  const push = (bytes: number) =>
    preparePush(gzipSync(Buffer.alloc(bytes, '\n')), { ...TEXT, encoding: 'gzip', maxBytes: 100_000 });
  expect(push(100_000)).toHaveLength(1);
  expect(() => push(100_001)).toThrow('larger than 100000 bytes when inflated');
});

describe('snappy', () => {
  const identifier = Buffer.from('\u{ff}\u{6}\0\0sNaPpY', 'latin1');
  const chunk = (type: number, content: Buffer): Buffer => {
    const head = Buffer.alloc(4, type);
    head.writeUIntLE(content.length, 1, 3);
    return Buffer.concat([head, content]);
  };
  const plain = (content: Buffer): Buffer => {
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32LE(maskedCrc32c(content));
    return chunk(1, Buffer.concat([checksum, content]));
  };
  const push = (chunks: Buffer) =>
    preparePush(Buffer.concat([identifier, chunks]), { ...TEXT, encoding: 'snappy', maxBytes: 100_000 });

  test('empty chunks: 1,000, and one for each 32 bytes', () => {
    expect(push(times(1_100, () => plain(Buffer.alloc(0))))).toHaveLength(1);
    for (const nothing of [plain(Buffer.alloc(0)), chunk(0xfe, Buffer.alloc(0)), identifier]) {
      expect(() => push(times(2_000, () => nothing))).toThrow('less than 32 bytes on average');
    }
  });

  test('the inflated body', () => {
    const part = plain(Buffer.alloc(50_000, '\n'));
    expect(push(times(2, () => part))).toHaveLength(1);
    expect(() => push(times(3, () => part))).toThrow('larger than 100000 bytes when inflated');
  });
});
