import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Deadlines, UNSCHEDULED } from '../../shared/records/deadlines.ts';
import { SegmentedText } from '../../services/reader/text/segmented-text.ts';

// The data structures of the snapshot, compared with the simplest implementation of each.

/** `make fuzz` sets a time instead of a number of runs. */
const runs = (count: number) => ({ numRuns: Number.isFinite(fc.readConfigureGlobal().numRuns) ? count : Infinity });

describe('SegmentedText is a sorted map', () => {
  const family = fc.oneof({ weight: 3, arbitrary: fc.constant('f') }, fc.constantFrom('', 'fa', 'ä', '~', '\u{1f600}'));
  const order = fc.oneof(
    { weight: 3, arbitrary: fc.nat({ max: 40 }).map((n) => `k${String(n).padStart(2, '0')}`) },
    fc.constantFrom('', 'a', 'ab', 'ä', '~', '\u{1f600}'),
  );
  /** Family and order in one string: a family contains no NUL. */
  const key = fc.tuple(family, order).map((pair) => pair.join('\0'));
  const keyOf = (name: string): [family: string, order: string] => {
    const at = name.indexOf('\0');
    return [name.slice(0, at), name.slice(at + 1)];
  };
  /** Two of the largest split a segment; small ones share one. */
  const size = fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 3_000 }), fc.constantFrom(0, 20_000, 33_000, 70_000));
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('set' as const), key, size, fill: fc.nat({ max: 25 }) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
    fc.record({ do: fc.constant('delete range' as const), from: key, to: key }),
    // More changes than may wait in a segment.
    fc.record({ do: fc.constant('set many' as const), from: fc.nat({ max: 9 }), size: fc.nat({ max: 400 }) }),
    fc.record({ do: fc.constant('read' as const) }),
  );

  it('pending changes are bounded by the size of the joined text', () => {
    const text = new SegmentedText();
    const large = Buffer.alloc(20_000, 'x');
    const setBoth = (): void => {
      for (const name of ['a', 'b']) text.set('f', name, large);
    };
    setBoth();
    expect(text.chunks().buffers, 'a segment each').toHaveLength(2);
    setBoth();
    expect(
      text.applyPending(() => true),
      'both wait',
    ).toBe(1);
    text.chunks();
    setBoth();
    setBoth();
    expect(
      text.applyPending(() => true),
      'nothing waits',
    ).toBe(0);
  });

  it('after any sequence of changes and reads', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(key, { maxLength: 5 }), (steps, probes) => {
        const text = new SegmentedText();
        const model = new Map<string, Buffer>();
        const handedOut: { readonly buffers: readonly Buffer[]; readonly copy: Buffer }[] = [];
        const bySerial = new Map<number, Buffer>();
        const set = (name: string, content: Buffer): void => {
          expect(text.set(...keyOf(name), content)).toBe(content.length);
          expect(text.get(...keyOf(name))?.equals(content), 'the latest').toBe(true);
          model.set(name, content);
        };
        const remove = (name: string): void => {
          text.delete(...keyOf(name));
          expect(text.get(...keyOf(name)), 'deleted').toBe(undefined);
          model.delete(name);
        };
        const check = (): void => {
          const keys = [...model.keys()].toSorted();
          for (const probe of probes) {
            expect(text.get(...keyOf(probe))).toEqual(model.get(probe));
            const next = text.next(...keyOf(probe));
            expect(next && `${next.family}\0${next.order}`).toBe(keys.find((one) => one > probe));
          }
          const { buffers, serials, bytes } = text.chunks();
          expect(bytes).toBe(Buffer.concat(buffers).length);
          expect(new Set(serials).size, 'a serial for each').toBe(buffers.length);
          for (const [i, serial] of serials.entries()) {
            expect(bySerial.get(serial) ?? buffers[i], 'the same serial is the same chunk').toBe(buffers[i]);
            bySerial.set(serial, buffers[i] as Buffer);
          }
          const copy = Buffer.concat(keys.map((one) => model.get(one) as Buffer));
          expect(Buffer.concat(buffers).equals(copy)).toBe(true);
          handedOut.push({ buffers, copy });
        };
        for (const one of steps) {
          switch (one.do) {
            case 'set':
              set(one.key, Buffer.alloc(one.size, 97 + one.fill));
              break;
            case 'delete':
              remove(one.key);
              break;
            case 'delete range':
              for (const name of model.keys()) if (name >= one.from && name <= one.to) remove(name);
              break;
            case 'set many':
              for (let i = 0; i < 300; i++) set(`f\0k${one.from}${i}`, Buffer.alloc(one.size, 65 + (i % 26)));
              break;
            case 'read':
              check();
              break;
            default:
              one satisfies never;
          }
        }
        for (const probe of probes) expect(text.get(...keyOf(probe)), 'not joined yet').toEqual(model.get(probe));
        check();
        for (const { buffers, copy } of handedOut)
          expect(Buffer.concat(buffers).equals(copy), 'overwritten').toBe(true);
      }),
      runs(100),
    );
  });

  const change = fc.oneof(
    // The slab of one of the largest entries extends beyond SLAB_MAX_BYTES.
    {
      weight: 1,
      arbitrary: fc.record({ key, size: fc.constant(280_000), fill: fc.nat(1), isText: fc.constant(true) }),
    },
    { weight: 8, arbitrary: fc.record({ key, size, fill: fc.nat({ max: 25 }), isText: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ key, size: fc.constant(undefined) }) },
  );

  it('a bulk load gives the same text as reading after each change', () => {
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 60 }),
        fc.array(change, { maxLength: 5 }),
        fc.nat({ max: 5 }),
        (before, after, steps) => {
          const collected = new SegmentedText();
          const read = new SegmentedText();
          const known = new Set<string>();
          const make = (one: (typeof before)[number]): void => {
            const parts = keyOf(one.key);
            if (one.size === undefined) {
              for (const text of [collected, read]) text.delete(...parts);
              known.delete(one.key);
            } else {
              const content = one.isText ? 'ä'.repeat(one.size / 2) : Buffer.alloc(one.size, 97 + one.fill);
              const bytes = Buffer.byteLength(content);
              expect(known.has(one.key) ? collected.set(...parts, content) : collected.add(...parts, content)).toBe(
                bytes,
              );
              expect(collected.get(...parts)?.equals(Buffer.from(content)), 'the latest').toBe(true);
              read.set(...parts, content);
              known.add(one.key);
            }
            read.chunks();
          };
          for (const one of before) make(one);
          // A reader begins to build segments and is interrupted.
          for (let i = 0; i < steps; i++) collected.applyPending(() => true);
          for (const one of after) make(one);
          expect(Buffer.concat(collected.chunks().buffers).equals(Buffer.concat(read.chunks().buffers))).toBe(true);
          expect(collected.chunks().bytes).toBe(read.chunks().bytes);
          for (const name of known) {
            const wanted = read.get(...keyOf(name));
            expect(wanted !== undefined && collected.get(...keyOf(name))?.equals(wanted), name).toBe(true);
          }
        },
      ),
      runs(200),
    );
  });
});

describe('SegmentedText before the first read', () => {
  it('a bulk load builds one segment per step, none larger than twice the segment size', () => {
    const text = new SegmentedText(1_000);
    const orders = Array.from({ length: 1_000 }, (_, i) => String((i * 7) % 1_000).padStart(3, '0'));
    for (const family of ['b', 'a']) for (const order of orders) text.add(family, order, `${family}${order}\n`);
    let steps = 1;
    while (text.applyPending(() => true) > 0) steps++;
    const { buffers } = text.chunks();
    expect(Buffer.concat(buffers).toString()).toBe(
      ['a', 'b'].flatMap((family) => orders.toSorted().map((order) => `${family}${order}\n`)).join(''),
    );
    expect(buffers.length, 'segments').toBe(10);
    expect(steps).toBe(buffers.length);
    expect(Math.max(...buffers.map(({ length }) => length))).toBeLessThan(2_000);
  });

  it('text that is replaced before the first read does not accumulate', () => {
    const text = new SegmentedText();
    const large = Buffer.alloc(100_000, 'x');
    for (const order of ['a', 'b', 'c']) text.add('f', order, large);
    const isReady = (): boolean => text.applyPending(() => true) === 0;
    for (let i = 0; i < 30; i++) text.set('f', 'a', large);
    expect(isReady(), 'segments were built, with at most one pending change').toBe(true);
    expect(text.chunks().bytes).toBe(3 * large.length);
  });
});

describe('Deadlines', () => {
  const items = ['a', 'b', 'c', 'd', 'e', 'f'].map((key) => ({ key, scheduledMs: UNSCHEDULED }));
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ item: fc.constantFrom(...items), inMs: fc.nat({ max: 9 }) }),
    },
    fc.record({ passMs: fc.nat({ max: 5 }) }),
  );

  const keysOf = (some: readonly { key: string }[]): string[] => some.map(({ key }) => key).toSorted();

  it('returns each item once, as soon as its earliest deadline is reached', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const deadlines = new Deadlines<(typeof items)[number]>();
        for (const item of items) item.scheduledMs = UNSCHEDULED;
        const model = new Map<string, number>();
        // Not 0: a deadline of 0 means never.
        let nowMs = 1;
        for (const one of steps) {
          if ('item' in one) {
            const atMs = nowMs + one.inMs;
            deadlines.schedule(one.item, atMs);
            model.set(one.item.key, Math.min(atMs, model.get(one.item.key) ?? Infinity));
          } else {
            nowMs += one.passMs;
            const due = [...model].filter(([, atMs]) => atMs <= nowMs).map(([key]) => key);
            expect(keysOf([...deadlines.due(nowMs)])).toEqual(due.toSorted());
            for (const key of due) model.delete(key);
            expect([...deadlines.due(nowMs)], 'once').toEqual([]);
          }
        }
        expect(keysOf([...deadlines.due(Infinity)])).toEqual([...model.keys()].toSorted());
      }),
      runs(1_000),
    );
  });
});
