import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MetricType } from '../../shared/exposition/model.ts';
import { encodeLabels } from '../../shared/grouping/group.ts';
import { decodeFamilyRecord, encodeFamilyRecord } from '../../shared/state/family-record.ts';
import { decodeGroupRecord, familyField } from '../../shared/state/group-record.ts';
import { compareStreamIds, STAMP_LENGTH, stampMs, stampOf } from '../../shared/state/stamp.ts';

const ms = fc.nat({ max: 99_999_999_999_999 });
const streamId = fc.tuple(
  fc.oneof(ms, fc.constantFrom(1_700_000_000_000, 1_700_000_000_001, 999_999_999_999)),
  fc.oneof(fc.nat({ max: 11 }), fc.nat({ max: 9_999_999_999 })),
);
const stamp = streamId.map(([time, sequence]) => stampOf(`${time}-${sequence}`));
/** No half surrogate pairs: nothing that was decoded from UTF-8 has them. */
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('größer\n', '\u{1f600} 1\n', '1 2 3\n4', '\0'));

describe('a stamp', () => {
  it('orders as the stream IDs do', () => {
    fc.assert(
      fc.property(streamId, streamId, ([ms1, n1], [ms2, n2]) => {
        const [a, b] = [`${ms1}-${n1}`, `${ms2}-${n2}`];
        const order = Math.sign(ms1 - ms2 || n1 - n2);
        expect(compareStreamIds(a, b)).toBe(order);
        const [x, y] = [stampOf(a), stampOf(b)];
        expect(x < y ? -1 : x > y ? 1 : 0).toBe(order);
        expect([x.length, y.length]).toEqual([STAMP_LENGTH, STAMP_LENGTH]);
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

describe('a family record', () => {
  it('says what was written, byte by byte', () => {
    fc.assert(
      fc.property(written, content, (by, family) => {
        const stored = Buffer.from(encodeFamilyRecord(by, family));
        const { text: lines, exact, ...others } = decodeFamilyRecord(stored);
        const { text: given, exact: bytes = new Uint8Array(), ...rest } = family;
        expect(others).toEqual({ ...by, ...rest });
        expect(lines.toString()).toBe(given);
        expect(new Uint8Array(exact)).toEqual(bytes);
        // What the merge script reads of it.
        const [stampRead, deadlineRead] = /^(\S+) (\d+) /.exec(stored.toString('latin1'))?.slice(1) ?? [];
        expect([stampRead, Number(deadlineRead)]).toEqual([by.stamp, by.deadlineMs]);
      }),
    );
  });

  it('that was cut short is refused', () => {
    expect(() => decodeFamilyRecord(Buffer.from('01700000000000-0000000001 0 1\n'))).toThrow('cut short');
  });
});

describe('a group record', () => {
  const labels = fc.uniqueArray(fc.tuple(text, text), { maxLength: 3, selector: ([name]) => name });
  const families = fc.uniqueArray(fc.tuple(text, written, content), { maxLength: 4, selector: ([name]) => name });
  const group = fc.record({ kind: fc.constantFrom('push', 'ingest'), labels, top: stamp, families });
  const times = fc.record({ pushed: fc.integer(), failed: ms, until: ms }, { requiredKeys: [] });

  it('says what is in the hash, whatever the order of its fields', () => {
    fc.assert(
      fc.property(group, times, fc.infiniteStream(fc.nat()), (given, { pushed, failed, until }, shuffle) => {
        const meta = {
          kind: given.kind,
          labels: encodeLabels(given.labels),
          top: given.top,
          pushed,
          failed,
          until,
          soon: 1,
        };
        const fields: [string, string | Uint8Array][] = [
          ...Object.entries(meta).flatMap(([name, value]): [string, string][] =>
            value === undefined ? [] : [[name, String(value)]],
          ),
          ...given.families.map(([name, by, family]): [string, string | Uint8Array] => [
            familyField(name),
            encodeFamilyRecord(by, family),
          ]),
        ];
        const shuffled = fields
          .map((field): [number, typeof field] => [shuffle.next().value ?? 0, field])
          .toSorted(([a], [b]) => a - b)
          .flatMap(([, [name, value]]) => [Buffer.from(name), Buffer.from(value)]);
        const record = decodeGroupRecord('id', shuffled);
        expect(record).toMatchObject({
          id: 'id',
          kind: given.kind,
          top: given.top,
          failedMs: failed ?? 0,
          untilMs: until ?? 0,
        });
        // Below 0 it is the merge script's alone.
        expect(record?.pushedMs).toBe(Math.max(0, pushed ?? 0));
        expect(record?.labels).toEqual(given.labels);
        expect([...(record?.families.keys() ?? [])].toSorted()).toEqual(
          given.families.map(([name]) => name).toSorted(),
        );
        for (const [name, by] of given.families) expect(record?.families.get(name)).toMatchObject(by);
      }),
    );
  });

  it.for([[[]], [['floor', 'x', 'forgot', 'x']]])('without labels is none: %j', ([fields]) => {
    expect(
      decodeGroupRecord(
        'id',
        (fields ?? []).map((field) => Buffer.from(field)),
      ),
    ).toBeUndefined();
  });
});
