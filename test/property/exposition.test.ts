import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../shared/errors.ts';
import { checkPush } from '../../shared/exposition/check/check-push.ts';
import { applyGroupingLabels } from '../../shared/model/group-labels.ts';
import { sortedByName } from '../../shared/model/labels.ts';
import type { Families, Family, Labels, MetricType } from '../../shared/model/metric-family.ts';
import { parseText } from '../../shared/exposition/text/parse-text.ts';
import { decodeUtf8 } from '../../shared/exposition/text/utf8.ts';
import { renderHeader, renderSamples } from '../../shared/exposition/text/render-text.ts';
import { splitByLabelSet } from '../../services/ingest/prepare/split-series.ts';
import { TEXT_CORPUS, TOKENS } from '../oracle/corpus.ts';
import { mutateText, seededRandom } from '../oracle/mutate.ts';

const text = fc.string({ unit: 'binary', maxLength: 8 });
const name = fc.stringMatching(/^[a-zA-Z_:][a-zA-Z0-9_:]{0,7}$/).filter((s) => !/_(?:sum|count|bucket)$/.test(s));
const labelName = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9_]{0,7}$/).filter((s) => s !== 'le' && s !== 'quantile');
const labels = fc.uniqueArray(fc.tuple(labelName, text), { maxLength: 5, selector: ([label]) => label });
const value = fc.double().map((n) => (n === 0 ? 0 : n)); // -0 is written as 0
const count = fc.nat();
const seriesOf = <T>(metric: (own: Labels) => fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc
    .uniqueArray(labels, { minLength: 1, maxLength: 4, selector: (own) => JSON.stringify(sortedByName(own)) })
    .chain((all) => fc.tuple(...all.map(metric)));

const simpleType = fc.constantFrom('counter', 'gauge', 'untyped');
const family: fc.Arbitrary<Family> = fc.oneof(
  fc.record({
    name,
    help: text,
    type: simpleType,
    metrics: seriesOf((own) => value.map((n) => ({ labels: own, value: n }))),
  }),
  fc.record({
    name,
    help: text,
    type: fc.constant('summary' as const),
    metrics: seriesOf((own) =>
      fc.record({
        labels: fc.constant(own),
        quantiles: fc.array(fc.tuple(fc.double({ noNaN: true, min: 0.1 }), value), { maxLength: 3 }),
        sampleCount: count,
        sampleSum: value,
      }),
    ),
  }),
  fc.record({
    name,
    help: text,
    type: fc.constant('histogram' as const),
    metrics: seriesOf((own) =>
      fc.record({
        labels: fc.constant(own),
        // With +Inf at the end, because rendering adds it if it is missing.
        buckets: fc
          .array(fc.tuple(fc.double({ noNaN: true, min: 0.1, max: 1e9 }), count), { maxLength: 3 })
          .map((some): [number, number][] => [...some, [Infinity, 7]]),
        sampleCount: count,
        sampleSum: value,
      }),
    ),
  }),
);
const families: fc.Arbitrary<Families> = fc
  .uniqueArray(family, { maxLength: 4, selector: (one) => one.name })
  .map((all) => new Map(all.map((one) => [one.name, one])));

const mutated = fc.nat().map((seed) => mutateText(seededRandom(seed), TEXT_CORPUS, TOKENS));

function render(all: Families): string {
  return [...all.values()].map((one) => renderHeader(one.name, one.help, one.type) + renderSamples(one)).join('');
}

function checked(all: Families): Families {
  checkPush(all);
  return all;
}

/** Undefined if the text was refused with the expected kind of error. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    return undefined;
  }
}

describe('the text format', () => {
  it('text that was rendered is parsed to the same families', () => {
    fc.assert(
      fc.property(families, (all) => {
        // Leading spaces of a help text belong to the format.
        for (const one of all.values()) one.help = one.help.replace(/^[ \t]+/, '');
        expect(parseText(render(all))).toEqual(all);
      }),
    );
  });
  it('rendering is a fixed point after the first time', () => {
    fc.assert(
      fc.property(mutated, fc.boolean(), (body, utf8Names) => {
        const all = attempt(() => parseText(body, { utf8Names }));
        if (all === undefined || attempt(() => checked(all)) === undefined) return;
        const rendered = render(all);
        // A negative count of a summary wraps around to 2^64 as in Go, which is then out of range.
        fc.pre(!rendered.includes(' 1.8446744073709552e+19\n'));
        expect(render(parseText(rendered, { utf8Names }))).toBe(rendered);
      }),
      { numRuns: 2_000 },
    );
  });
  it('any text is accepted or refused, without other errors', () => {
    fc.assert(
      fc.property(fc.oneof(mutated, fc.string({ unit: 'binary' })), (body) => {
        attempt(() => parseText(body));
      }),
    );
  });
  it('any bytes are accepted or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        attempt(() => parseText(decodeUtf8(bytes)));
      }),
    );
  });
});

describe('grouping labels', () => {
  const grouping = labels.map((some) => sortedByName([...some.filter(([label]) => label !== 'job'), ['job', 'j']]));
  it('are on every series, sorted, and applying them again changes nothing', () => {
    fc.assert(
      fc.property(families, grouping, (all, group) => {
        applyGroupingLabels(all, group);
        const once = structuredClone(all);
        for (const { metrics } of all.values()) {
          for (const metric of metrics) {
            const own = metric.labels.map(([label]) => label);
            expect(own).toEqual([...new Set(own)].toSorted());
            expect(metric.labels).toEqual(expect.arrayContaining([...group]));
            expect(own).toContain('instance');
          }
        }
        expect(applyGroupingLabels(all, group)).toEqual(once);
      }),
    );
  });
});

describe('splitByLabelSet', () => {
  it('keeps every series and adds none', () => {
    fc.assert(
      fc.property(families, (all) => {
        const series = [...all.values()].map((one) => one.metrics.length).reduce((a, b) => a + b, 0);
        const types = new Map<string, MetricType>([...all].map(([key, one]) => [key, one.type]));
        const split = [...splitByLabelSet(all).values()].flatMap((group) => [...group.families.values()]);
        expect(split.length).toBe(series);
        for (const one of split) expect([one.metrics.length, one.type]).toEqual([1, types.get(one.name)]);
      }),
    );
  });
});
