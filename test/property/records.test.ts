import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MetricType } from '../../shared/model/metric-family.ts';
import { encodeLabels } from '../../shared/model/labels.ts';
import { decodeFamilyRecord, encodeFamilyContent, type FamilyContent } from '../../shared/records/family-record.ts';
import { decodeGroupRecord, familyField } from '../../shared/records/group-record.ts';
import { fieldsOf } from '../../shared/redis/reply.ts';
import { stampMs } from '../../shared/records/stamp.ts';
import { stampOf } from '../support/stamp.ts';

const ms = fc.nat({ max: 99_999_999_999_999 });
const streamId = fc.tuple(
  fc.oneof(ms, fc.constantFrom(1_700_000_000_000, 1_700_000_000_001, 999_999_999_999)),
  fc.oneof(fc.nat({ max: 11 }), fc.nat({ max: 9_999_999_999 })),
);
const stamp = streamId.map(([time, sequence]) => stampOf(`${time}-${sequence}`));
/** Without lone surrogates, which text decoded from UTF-8 never contains. */
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('größer\n', '\u{1f600} 1\n', '1 2 3\n4', '\0'));

describe('a stamp', () => {
  it('has the order of the stream IDs', () => {
    fc.assert(
      fc.property(streamId, streamId, ([ms1, n1], [ms2, n2]) => {
        const [a, b] = [`${ms1}-${n1}`, `${ms2}-${n2}`];
        const order = Math.sign(ms1 - ms2 || n1 - n2);
        const [x, y] = [stampOf(a), stampOf(b)];
        expect(x < y ? -1 : x > y ? 1 : 0).toBe(order);
        expect([x.length, y.length]).toEqual([25, 25]);
        expect(stampMs(x)).toBe(ms1);
      }),
    );
  });
});

const written = fc.record({ stamp, deadlineMs: ms, arrivalMs: ms });
const content = fc.record(
  {
    type: fc.constantFrom<MetricType>('counter', 'gauge', 'untyped', 'summary', 'histogram', 'gauge_histogram'),
    samples: fc.nat(),
    help: text,
    text,
    exact: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  },
  { requiredKeys: ['type', 'samples', 'help', 'text'] },
);

interface Written {
  readonly stamp: string;
  readonly deadlineMs: number;
  readonly arrivalMs: number;
}

/** As merge.lua writes it. */
function recordOf({ stamp: by, deadlineMs, arrivalMs }: Written, family: FamilyContent): Buffer {
  return Buffer.concat([Buffer.from(`${by} ${deadlineMs} ${arrivalMs} `), Buffer.from(encodeFamilyContent(family))]);
}

describe('a family record', () => {
  it('is read as it was written, byte for byte', () => {
    fc.assert(
      fc.property(written, content, (by, family) => {
        const stored = recordOf(by, family);
        const { text: lines, exact, ...others } = decodeFamilyRecord(stored);
        const { text: given, exact: bytes = new Uint8Array(), ...rest } = family;
        expect(others).toEqual({ ...by, ...rest });
        expect(lines.toString()).toBe(given);
        expect(new Uint8Array(exact)).toEqual(bytes);
        // The fields that the merge script reads.
        const [stampRead, deadlineRead] = /^(\S+) (\d+) /.exec(stored.toString('latin1'))?.slice(1) ?? [];
        expect([stampRead, Number(deadlineRead)]).toEqual([by.stamp, by.deadlineMs]);
      }),
    );
  });

  it('that is truncated is refused', () => {
    expect(() => decodeFamilyRecord(Buffer.from('01700000000000-0000000001 0 1\n'))).toThrow('cut short');
    const words = '01700000000000-0000000001 0 1 gauge 1 0 4'.split(' ');
    const say = (header: readonly string[], behind: string): string => `${header.join(' ')}${behind}`;
    expect(decodeFamilyRecord(Buffer.from(say(words, '\na 1\n'))).text.toString()).toBe('a 1\n');
    for (let n = 0; n < words.length; n++) {
      const cut = words.slice(0, n);
      // Also if the rest is on the next line.
      for (const behind of ['', '\n', `\n${words.slice(n).join(' ')}\na 1\n`]) {
        const record = say(cut, behind);
        expect(() => decodeFamilyRecord(Buffer.from(record)), record).toThrow('cut short');
      }
    }
  });
});

describe('a group record', () => {
  const labels = fc.uniqueArray(fc.tuple(text, text), { maxLength: 3, selector: ([name]) => name });
  const families = fc.uniqueArray(fc.tuple(text, written, content), { maxLength: 4, selector: ([name]) => name });
  const group = fc.record({ kind: fc.constantFrom('push', 'ingest'), labels, families });
  const times = fc.record({ top: fc.oneof(stamp, fc.constant('')), pushed: ms, failed: ms, until: ms });

  it('has the content of the hash, in any order of fields', () => {
    fc.assert(
      fc.property(group, times, fc.infiniteStream(fc.nat()), (given, { top, pushed, failed, until }, shuffle) => {
        const fields: [string, string | Uint8Array][] = [
          ['labels', `${given.kind} ${encodeLabels(given.labels)}`],
          ['meta', `${top === '' ? '-' : top} ${pushed} ${failed} ${until} 1`],
          ['of a later version', 'x'],
          ...given.families.map(([name, by, family]): [string, Uint8Array] => [
            familyField(name),
            recordOf(by, family),
          ]),
        ];
        const shuffled = fields
          .map((field): [number, typeof field] => [shuffle.next().value ?? 0, field])
          .toSorted(([a], [b]) => a - b)
          .flatMap(([, [name, value]]) => [Buffer.from(name), Buffer.from(value)]);
        const record = decodeGroupRecord('id', fieldsOf(shuffled));
        expect(record).toMatchObject({
          id: 'id',
          kind: given.kind,
          top,
          pushedMs: pushed,
          failedMs: failed,
          untilMs: until,
        });
        expect(record?.labels).toEqual(given.labels);
        expect([...(record?.families.keys() ?? [])].toSorted()).toEqual(
          given.families.map(([name]) => name).toSorted(),
        );
        for (const [name, by] of given.families) expect(record?.families.get(name)).toMatchObject(by);
      }),
    );
  });

  const decode = (...fields: string[]) => decodeGroupRecord('id', fieldsOf(fields.map((field) => Buffer.from(field))));

  it('that does not exist is undefined', () => {
    expect(decode()).toBeUndefined();
  });

  it.for<[what: string, fields: string[]]>([
    ['no labels', ['meta', '- 0 0 0 0']],
    ['no meta', ['labels', 'push []']],
    ['a truncated meta field', ['labels', 'push []', 'meta', '- 0 0']],
    ['labels without a kind', ['labels', '["job","j"]', 'meta', '- 0 0 0 0']],
    ['labels that are not a list', ['labels', 'push {}', 'meta', '- 0 0 0 0']],
    ['labels that are not JSON', ['labels', 'push job', 'meta', '- 0 0 0 0']],
    ['a truncated family', ['labels', 'push []', 'meta', '- 0 0 0 0', 'f:m', 'x']],
    ['a foreign hash', ['name', 'value']],
  ])('that is invalid is refused: %s', ([, fields]) => {
    expect(() => decode(...fields)).toThrow();
  });
});
