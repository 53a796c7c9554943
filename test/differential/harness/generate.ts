/**
 * Random requests for a Pushgateway, from few names and values, so that groups have families, types and series in
 * common. Requests that break the official gateway (see poison.test.ts) and intended differences (docs/migrating.md,
 * docs/text-format.md) are left out.
 */
import { isUtf8 } from 'node:buffer';
import * as fc from 'fast-check';
import { TOKENS } from '../../oracle/corpus.ts';
import { encodeFamilies, TYPES, type Message } from './protobuf.ts';
import { del, gzip, GZIP, post, PROTOBUF, put, type Step } from './step.ts';

export interface Operation {
  readonly step: Step;
  /** Whether ours answers only after the push is merged. */
  readonly wait: boolean;
}

const VALUES = ['1', '2', '', 'é', 'a/b', 'a b+c', '"\\\n', '%2F', '..', 'x\r\0\u2028', '{},=#'];
const value = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('1', '2') },
  { weight: 1, arbitrary: fc.constantFrom(...VALUES) },
);

// Paths.

/** Without `instance=""` and `le`, which break the official gateway. */
const groupingLabel = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constantFrom('x', 'y'), value) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('instance'), fc.constantFrom('1', '2', 'é')) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('quantile', '_', 'job', 'Z9'), fc.constantFrom('1', '0.5')) },
);
const job = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('j', 'k') },
  { weight: 1, arbitrary: fc.constantFrom('é日', 'a b', 'a/b', 'x+y', '"', '100%', '..') },
);

/** How a value is written: escaped, in base64url, with correct padding, with too much padding. */
const style = fc.constantFrom('plain', 'plain', 'plain', 'base64', 'padded', 'overpadded');

function segment(name: string, text: string, as: string): string {
  if (as === 'plain' && !text.includes('/') && text !== '' && text !== '..')
    return `/${name}/${encodeURIComponent(text)}`;
  const padding = as === 'overpadded' || text === '' ? '====' : as === 'padded' ? '=' : '';
  return `/${name}@base64/${Buffer.from(text).toString('base64url')}${padding}`;
}

const goodPath = fc
  .tuple(job, style, fc.array(fc.tuple(groupingLabel, style), { maxLength: 2 }), fc.boolean())
  .map(([jobName, jobStyle, labels, slash]) => {
    const path = [segment('job', jobName, jobStyle), ...labels.map(([[name, text], as]) => segment(name, text, as))];
    return path.join('') + (slash && labels.length === 0 ? '/' : '');
  });

/**
 * Components of paths, in random combinations. None contains unescaped UTF-8, because Node's HTTP server
 * refuses it.
 */
const badPath = fc
  .array(
    fc.constantFrom(
      '/',
      '//',
      '/.',
      '/..',
      'job',
      'a',
      '__x',
      'x-y',
      '@base64',
      '=',
      'YQ',
      'a+b',
      '%2F',
      '%zz',
      '%20',
      '1',
      '?q',
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) => `/job/j/${parts.join('')}`)
  // What is not UTF-8 is poison.
  .filter((path) =>
    [...path.matchAll(/@base64\/([^/?]*)/g)].every(([, text = '']) => isUtf8(Buffer.from(text, 'base64url'))),
  );

const path = fc.oneof({ weight: 12, arbitrary: goodPath }, { weight: 1, arbitrary: badPath });

// Bodies.

const NAMES = ['m', 'n', 'm_sum', 'm_count', 'm_bucket', 'n_total', 'push_time_seconds_x'];
const TYPE_NAMES = ['', 'counter', 'gauge', 'untyped', 'summary', 'histogram'] as const;
const NUMBERS = [
  '0',
  '1',
  '2.5',
  '-1',
  'NaN',
  '+Inf',
  '-Inf',
  '1e6',
  '1e-5',
  '123456789',
  '0.1',
  '-0',
  '1e21',
  '007',
  '.5',
  '1e400',
];

const number = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...NUMBERS.slice(0, -1)) },
  { weight: 2, arbitrary: fc.double().map((n) => (Number.isFinite(n) ? String(n) : '3')) },
  { weight: 1, arbitrary: fc.integer().map(String) },
);
const count = fc.oneof(fc.nat({ max: 20 }), fc.nat()).map(String);
const ownLabel = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constantFrom('x', 'y', 'z'), value) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom('instance', 'job'), fc.constantFrom('1', '2', '', 'j')) },
);
const ownLabels = fc.uniqueArray(ownLabel, { maxLength: 3, selector: ([name]) => name });

function labelText(labels: readonly (readonly [string, string])[]): string {
  if (labels.length === 0) return '';
  const escape = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return `{${labels.map(([name, text]) => `${name}="${escape(text)}"`).join(',')}}`;
}

const timestamp = fc.oneof(
  { weight: 40, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.constantFrom(' 1', ' 0', ' -5') },
);
const bounds = (texts: readonly string[]): fc.Arbitrary<string[]> =>
  fc.uniqueArray(fc.constantFrom(...texts), { maxLength: 4, selector: Number });
const QUANTILES = ['0', '0.5', '0.90', '1', '1e-5'];
const BOUNDS = ['0.5', '1.0', '1e6', '-1', '+Inf'];

type Labels = readonly (readonly [string, string])[];

function simpleLines(name: string): fc.Arbitrary<string> {
  const line = fc
    .tuple(ownLabels, number, timestamp)
    .map(([labels, n, at]) => `${name}${labelText(labels)} ${n}${at}\n`);
  return fc.array(line, { minLength: 1, maxLength: 4 }).map((lines) => lines.join(''));
}

/** Some of the lines of a summary or histogram, in any order. */
function compoundLines(name: string, type: 'summary' | 'histogram'): fc.Arbitrary<string> {
  const isHistogram = type === 'histogram';
  const one = fc
    .tuple(
      ownLabels,
      bounds(isHistogram ? BOUNDS : QUANTILES),
      fc.array(count, { minLength: 6, maxLength: 6 }),
      number,
      fc.nat({ max: 7 }),
    )
    .chain(([labels, all, counts, sum, parts]) => {
      const boundLines = all.map((bound, i) => {
        const own: Labels = [...labels, [isHistogram ? 'le' : 'quantile', bound]];
        return `${name}${isHistogram ? '_bucket' : ''}${labelText(own)} ${counts[i] ?? '0'}\n`;
      });
      const lines = [
        ...boundLines,
        ...((parts & 1) === 0 ? [`${name}_sum${labelText(labels)} ${sum}\n`] : []),
        ...((parts & 6) === 0 ? [] : [`${name}_count${labelText(labels)} ${counts[5] ?? '0'}\n`]),
      ];
      return fc.shuffledSubarray(lines, { minLength: Math.min(1, lines.length), maxLength: lines.length });
    });
  return fc.array(one, { minLength: 1, maxLength: 2 }).map((metrics) => metrics.flat().join(''));
}

const help = fc.oneof(
  { weight: 2, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.constantFrom('text', 'other', 'a \\\\ \\n "b"', 'é\r', ' ') },
);

const familyText = fc
  .tuple(fc.constantFrom(...NAMES), fc.constantFrom(...TYPE_NAMES), help, fc.boolean())
  .chain(([name, type, text, helpLast]) => {
    const isCompound = type === 'summary' || type === 'histogram';
    return (isCompound ? compoundLines(name, type) : simpleLines(name)).map((lines) => {
      const helpLine = text === '' ? '' : `# HELP ${name} ${text}\n`;
      const typeLine = type === '' ? '' : `# TYPE ${name} ${type}\n`;
      return helpLast ? typeLine + lines + helpLine : helpLine + typeLine + lines;
    });
  });

/** At times with a family twice, which is refused when it has a TYPE. */
const goodText = fc.array(familyText, { maxLength: 4 }).map((families) => families.join(''));

const mutatedText = fc
  .tuple(
    goodText,
    fc.array(fc.tuple(fc.nat(), fc.nat({ max: 4 }), fc.constantFrom(...TOKENS)), { minLength: 1, maxLength: 3 }),
  )
  .map(([text, edits]) => {
    let mutated = text;
    for (const [at, length, token] of edits) {
      const start = mutated.length === 0 ? 0 : at % (mutated.length + 1);
      mutated = mutated.slice(0, start) + token + mutated.slice(start + length);
    }
    return mutated;
  })
  .filter(isSafe);

/** Names in braces crash or confuse the official parser, and families with the names of its self-metrics are hidden. */
function isSafe(text: string): boolean {
  if (/^[ \t]*\{/m.test(text)) return false;
  if (/gauge_?histogram|push_(?:failure_)?time_seconds\b/i.test(text)) return false;
  // Half of a surrogate pair cannot be sent.
  return Buffer.from(text).toString() === text;
}

// Protobuf. Not metrics of another type than their family: whether the official gateway takes those is by chance when
// groups share a family.

const pbLabels = ownLabels.map((labels) => ({ label: labels.map(([name, text]) => ({ name, value: text })) }));
const pbNumber = number.map((text) => Number(text.replace('Inf', 'Infinity')));
const pbSimple = (kind: 'counter' | 'gauge' | 'untyped'): fc.Arbitrary<Message> =>
  fc.tuple(pbNumber, pbLabels).map(([n, labels]) => ({ [kind]: { value: n }, ...labels }));
const pbSummary = fc.tuple(bounds(QUANTILES), fc.nat(), pbNumber, pbLabels).map(([all, n, sum, labels]): Message => {
  return { summary: { count: n, sum, quantile: all.map((q) => ({ quantile: Number(q), value: sum })) }, ...labels };
});
const pbHistogram = fc.tuple(bounds(BOUNDS), fc.nat(), pbNumber, pbLabels).map(([all, n, sum, labels]): Message => {
  const bucket = all.map((bound) => ({ count: n, bound: Number(bound.replace('Inf', 'Infinity')) }));
  return { histogram: { count: n, sum, bucket }, ...labels };
});
const PB_TYPES = ['counter', 'gauge', 'untyped', 'summary', 'histogram'] as const;
const PB_METRICS: Readonly<Record<(typeof PB_TYPES)[number], fc.Arbitrary<Message>>> = {
  counter: pbSimple('counter'),
  gauge: pbSimple('gauge'),
  untyped: pbSimple('untyped'),
  summary: pbSummary,
  histogram: pbHistogram,
};
const pbFamily = fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...PB_TYPES), help).chain(([name, type, text]) =>
  fc.array(PB_METRICS[type], { minLength: 1, maxLength: 3 }).map((metrics): Message => {
    return { name, type: TYPES[type], metric: metrics, ...(text === '' ? {} : { help: text }) };
  }),
);
const pbBody = fc.array(pbFamily, { maxLength: 3 }).map((families) => encodeFamilies(...families));

interface Body {
  readonly bytes: Uint8Array;
  readonly headers: Record<string, string>;
}

const textBody = fc
  .tuple(
    fc.oneof({ weight: 5, arbitrary: goodText.filter(isSafe) }, { weight: 2, arbitrary: mutatedText }),
    fc.nat({ max: 9 }),
  )
  .map(([text, encoding]): Body => {
    if (encoding === 0) return { bytes: gzip(text), headers: GZIP };
    return { bytes: Buffer.from(text), headers: {} };
  });
const body = fc.oneof(
  { weight: 5, arbitrary: textBody },
  { weight: 1, arbitrary: pbBody.map((bytes): Body => ({ bytes, headers: PROTOBUF })) },
);

const VERBS = { PUT: put, POST: post, DELETE: del } as const;

const operation = fc
  .tuple(fc.constantFrom('PUT', 'PUT', 'PUT', 'POST', 'POST', 'DELETE'), path, body, fc.boolean())
  .map(([verb, where, { bytes, headers }, wait]): Operation => {
    const of = VERBS[verb];
    return { step: verb === 'DELETE' ? of(where) : of(where, bytes, headers), wait };
  });

export const operations = fc.array(operation, { minLength: 1, maxLength: 12 });
