import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Deadlines, UNSCHEDULED } from '../../shared/state/deadlines.ts';
import { SegmentedText } from '../../shared/state/segmented-text.ts';

// What the snapshot is made of, against the simplest thing that does the same.

/** `make fuzz` sets no number of runs, but a time. */
const runs = (count: number) => ({ numRuns: Number.isFinite(fc.readConfigureGlobal().numRuns) ? count : Infinity });

describe('SegmentedText is a sorted map', () => {
  const family = fc.oneof({ weight: 3, arbitrary: fc.constant('f') }, fc.constantFrom('', 'fa', 'ä', '~', '\u{1f600}'));
  const order = fc.oneof(
    { weight: 3, arbitrary: fc.nat({ max: 40 }).map((n) => `k${String(n).padStart(2, '0')}`) },
    fc.constantFrom('', 'a', 'ab', 'ä', '~', '\u{1f600}'),
  );
  /** Both in one: a family holds no NUL. */
  const key = fc.tuple(family, order).map((parts) => parts.join('\0'));
  const partsOf = (name: string): [family: string, order: string] => {
    const at = name.indexOf('\0');
    return [name.slice(0, at), name.slice(at + 1)];
  };
  /** Two of the largest make a segment split; the small ones share one. */
  const size = fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 3_000 }), fc.constantFrom(0, 20_000, 33_000, 70_000));
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('set' as const), key, size, fill: fc.nat({ max: 25 }) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
    fc.record({ do: fc.constant('delete range' as const), from: key, to: key }),
    // More than a segment lets wait.
    fc.record({ do: fc.constant('set many' as const), from: fc.nat({ max: 9 }), size: fc.nat({ max: 400 }) }),
    fc.record({ do: fc.constant('read' as const) }),
  );

  it('what waits for a reader is bounded by what is there already', () => {
    const text = new SegmentedText();
    const large = Buffer.alloc(20_000, 'x');
    const setBoth = (): void => {
      for (const name of ['a', 'b']) text.set('f', name, large);
    };
    setBoth();
    expect(text.parts().buffers, 'a segment each').toHaveLength(2);
    setBoth();
    expect(
      text.tidy(() => true),
      'both wait',
    ).toBe(1);
    text.parts();
    setBoth();
    setBoth();
    expect(
      text.tidy(() => true),
      'nothing waits',
    ).toBe(0);
  });

  it('whatever is set, deleted and read in between', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(key, { maxLength: 5 }), (steps, probes) => {
        const text = new SegmentedText();
        const model = new Map<string, Buffer>();
        const handedOut: { readonly buffers: readonly Buffer[]; readonly copy: Buffer }[] = [];
        const partOf = new Map<number, Buffer>();
        const set = (name: string, content: Buffer): void => {
          expect(text.set(...partsOf(name), content)).toBe(content.length);
          expect(text.get(...partsOf(name))?.equals(content), 'the latest').toBe(true);
          model.set(name, content);
        };
        const remove = (name: string): void => {
          text.delete(...partsOf(name));
          expect(text.get(...partsOf(name)), 'deleted').toBe(undefined);
          model.delete(name);
        };
        const check = (): void => {
          const keys = [...model.keys()].toSorted();
          for (const probe of probes) {
            expect(text.get(...partsOf(probe))).toEqual(model.get(probe));
            const next = text.next(...partsOf(probe));
            expect(next && `${next.family}\0${next.order}`).toBe(keys.find((one) => one > probe));
          }
          const { buffers, serials, bytes } = text.parts();
          expect(bytes).toBe(Buffer.concat(buffers).length);
          expect(new Set(serials).size, 'a serial for each').toBe(buffers.length);
          for (const [i, serial] of serials.entries()) {
            expect(partOf.get(serial) ?? buffers[i], 'the same serial is the same part').toBe(buffers[i]);
            partOf.set(serial, buffers[i] as Buffer);
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
        for (const probe of probes) expect(text.get(...partsOf(probe)), 'not joined yet').toEqual(model.get(probe));
        check();
        for (const { buffers, copy } of handedOut)
          expect(Buffer.concat(buffers).equals(copy), 'overwritten').toBe(true);
      }),
      runs(100),
    );
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

  it('names each item once, as soon as its earliest deadline has come', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const deadlines = new Deadlines<(typeof items)[number]>();
        for (const item of items) item.scheduledMs = UNSCHEDULED;
        const model = new Map<string, number>();
        let nowMs = 0;
        for (const one of steps) {
          if ('item' in one) {
            const atMs = nowMs + one.inMs;
            deadlines.schedule(one.item, atMs);
            model.set(one.item.key, Math.min(atMs, model.get(one.item.key) ?? Infinity));
          } else {
            nowMs += one.passMs;
            const due = [...model].filter(([, atMs]) => atMs <= nowMs).map(([key]) => key);
            expect(keysOf(deadlines.due(nowMs))).toEqual(due.toSorted());
            for (const key of due) model.delete(key);
            expect(deadlines.due(nowMs), 'once').toEqual([]);
          }
        }
        expect(keysOf(deadlines.due(Infinity))).toEqual([...model.keys()].toSorted());
      }),
      runs(1_000),
    );
  });
});
