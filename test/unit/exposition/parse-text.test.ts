import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../shared/errors.ts';
import { parseText } from '../../../shared/exposition/text/parse-text.ts';
import { decodeUtf8 } from '../../../shared/exposition/text/utf8.ts';
import { renderHeader, renderSamples } from '../../../shared/exposition/text/render-text.ts';

/** What the body means, as the official gateway would write it. */
function roundTrip(body: string, utf8Names = false): string {
  const families = [...parseText(body, { utf8Names }).values()];
  return families.map((family) => renderHeader(family.name, family.help, family.type) + renderSamples(family)).join('');
}

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    expect(error).toHaveProperty('code', 'exposition_invalid');
    return error instanceof Error ? error.message.replace('text format parsing error in ', '') : '';
  }
  throw new Error('it was taken');
}

describe('valid bodies', () => {
  it.each<[body: string, meaning: string]>([
    ['', ''],
    ['\n \t\n  ', ''],
    ['a 1\n', '# TYPE a untyped\na 1\n'],
    ['\t a\t1\n', '# TYPE a untyped\na 1\n'],
    ['a{b="c",}1\n', '# TYPE a untyped\na{b="c"} 1\n'],
    ['a { b = "c" , d = "" } 1\n', '# TYPE a untyped\na{b="c",d=""} 1\n'],
    ['a{} 1\n', '# TYPE a untyped\na 1\n'],
    ['a{z="1",b="2"} 1\n', '# TYPE a untyped\na{z="1",b="2"} 1\n'],
    ['a 1 \t-12\n', '# TYPE a untyped\na 1 -12\n'],
    ['#TYPE a GAUGE\na 1\n# HELP a late\n', '# HELP a late\n# TYPE a gauge\na 1\n'],
    ['# HELP a   x \\\\ \\n \\" y \na 1\n', '# HELP a x \\\\ \\n " y \n# TYPE a untyped\na 1\n'],
    ['# HELP a nothing else\n# TYPE a counter\n', ''],
    ['#\n#x\n# y z\n# TYPE\n# HELP \n# TYPE a\n# TYPE a \n', ''],
    ['# TYPE a gau\\ge\na 1\n', '# TYPE a gauge\na 1\n'],
    ['# TYPE a ſummary\na_count 1\n', '# TYPE a summary\na_sum 0\na_count 1\n'],
    ['a{b="\\\\\\n\\""} 1\n', '# TYPE a untyped\na{b="\\\\\\n\\""} 1\n'],
    ['a{b="\r\0\u2028é😀"} 1\n', '# TYPE a untyped\na{b="\r\0\u2028é😀"} 1\n'],
    ['a 1\nb 1\na 2\n', '# TYPE a untyped\na 1\na 2\n# TYPE b untyped\nb 1\n'],
    ['a{le="1",quantile="x"} 1\n', '# TYPE a untyped\na{le="1",quantile="x"} 1\n'],
    ['a{b="1",c="2"} 1\na{c="2",b="1"} 1\n', '# TYPE a untyped\na{b="1",c="2"} 1\na{c="2",b="1"} 1\n'],
    ['{"a",b="c"} 1\n', '# TYPE a untyped\na{b="c"} 1\n'],
    ['{b="c",a} 1\n', '# TYPE a untyped\na{b="c"} 1\n'],
    ['"a"{"b"="c"} 1\n', '# TYPE a untyped\na{b="c"} 1\n'],
    ['a"b"{c"d"="e"}1\n', '# TYPE ab untyped\nab{cd="e"} 1\n'],
  ])('%j', (body, meaning) => {
    expect(roundTrip(body)).toBe(meaning);
  });
});

describe('summaries and histograms', () => {
  const summary = '# TYPE s summary\n';
  const histogram = '# TYPE h histogram\n';
  it.each<[body: string, meaning: string]>([
    [
      's{quantile="0.5"} 1\ns{quantile="0.9"} 2\ns_sum 3\ns_count 4\n',
      's{quantile="0.5"} 1\ns{quantile="0.9"} 2\ns_sum 3\ns_count 4\n',
    ],
    ['s_count{a="1"} 1\ns{quantile="1.0",a="1"} 2\n', 's{a="1",quantile="1"} 2\ns_sum{a="1"} 0\ns_count{a="1"} 1\n'],
    ['s_count{a="1",b="2"} 1\ns_sum{b="2",a="1"} 2\n', 's_sum{a="1",b="2"} 2\ns_count{a="1",b="2"} 1\n'],
    ['s_sum{a="1"} 1\ns_sum 2\ns_count{a="1"} 3\n', 's_sum{a="1"} 1\ns_count{a="1"} 3\ns_sum 2\ns_count 0\n'],
    ['s 5\n', 's_sum 0\ns_count 0\n'],
    ['s{quantile="NaN"} 5\n', 's_sum 0\ns_count 0\n'],
    ['s_count 1.9\n', 's_sum 0\ns_count 1\n'],
    ['s_count -1\n', 's_sum 0\ns_count 1.8446744073709552e+19\n'],
    ['s_bucket 1\ns_count 1\n', 's_sum 0\ns_count 1\n# TYPE s_bucket untyped\ns_bucket 1\n'],
  ])('summary %j', (body, meaning) => {
    expect(roundTrip(summary + body)).toBe(summary + meaning);
  });
  it.each<[body: string, meaning: string]>([
    [
      'h_bucket{le="1.0"} 2\nh_bucket{le="+Inf"} 3\nh_sum 4\nh_count 3\n',
      'h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 3\nh_sum 4\nh_count 3\n',
    ],
    [
      'h_bucket{le="1e6"} 2\nh_bucket{le="0.5"} 1\n',
      'h_bucket{le="1e+06"} 2\nh_bucket{le="0.5"} 1\nh_bucket{le="+Inf"} 0\nh_sum 0\nh_count 0\n',
    ],
    ['h_count 3.5\nh_count 4\n', 'h_bucket{le="+Inf"} 3.5\nh_sum 0\nh_count 3.5\n'],
    ['h_count{a="b"} NaN\n', 'h_bucket{a="b",le="+Inf"} NaN\nh_sum{a="b"} 0\nh_count{a="b"} NaN\n'],
    ['h 7\n', 'h_bucket{le="+Inf"} 0\nh_sum 0\nh_count 0\n'],
    ['h_sum{le="1"} 7\n', 'h_bucket{le="+Inf"} 0\nh_sum 7\nh_count 0\n'],
  ])('histogram %j', (body, meaning) => {
    expect(roundTrip(histogram + body)).toBe(histogram + meaning);
  });
  it('without a TYPE line before them, _sum, _count and _bucket are separate families', () => {
    expect([...parseText('h_bucket{le="1"} 1\nh_sum 1\n# TYPE h histogram\nh_sum 2\nh_count 1\n').keys()]).toEqual([
      'h_bucket',
      'h_sum',
      'h',
    ]);
  });
  it('shows a gauge histogram as a histogram, and keeps its real type', () => {
    const families = parseText('# TYPE g gaugehistogram\ng_bucket{le="1"} 1\n');
    expect(families.get('g')?.type).toBe('gauge_histogram');
    expect(renderHeader('g', '', 'gauge_histogram')).toBe('# TYPE g histogram\n');
  });
});

describe('invalid bodies', () => {
  it.each<[body: string, reason: string]>([
    ['a 1', 'line 1: unexpected end of input stream'],
    ['a 1\n#', 'line 2: unexpected end of input stream'],
    ['a 1\n# HELP a', 'line 2: unexpected end of input stream'],
    ['a{b="c', 'line 1: unexpected end of input stream'],
    ['a 1 \n', 'line 1: expected integer as timestamp, got ""'],
    ['a 1 2 \n', 'line 1: spurious string after timestamp: " "'],
    ['a 1 9223372036854775808\n', 'line 1: expected integer as timestamp, got "9223372036854775808"'],
    ['a 1\r\n', 'line 1: expected float as value, got "1\\r"'],
    ['a\n', 'line 1: expected float as value, got ""'],
    ['\n\na\n', 'line 3: expected float as value, got ""'],
    ['1a 1\n', 'line 1: invalid metric name'],
    ['é 1\n', 'line 1: invalid metric name'],
    ['\ufeffa 1\n', 'line 1: invalid metric name'],
    ['{} 1\n', 'line 1: invalid metric name'],
    ['a 1\n{b="c"} 1\n', 'line 2: invalid metric name'],
    ['{"a","b"} 1\n', 'line 1: multiple metric names for metric "a"'],
    ['{"a" b="c"} 1\n', "line 1: unexpected end of metric name 'b'"],
    ['"a\n" 1\n', 'line 1: metric name "a" contains unescaped new-line'],
    ['"a\\x" 1\n', "line 1: invalid escape sequence '\\x'"],
    ['"a b" 1\n', 'line 1: invalid metric name "a b"'],
    ['a{"b c"="d"} 1\n', 'line 1: invalid label name "b c"'],
    ['a{b} 1\n', "line 1: expected '=' after label name, found '}'"],
    ['a{b:c="d"} 1\n', "line 1: expected '=' after label name, found ':'"],
    ['a{1="d"} 1\n', 'line 1: invalid label name for metric "a"'],
    ['a{b=c} 1\n', "line 1: expected '\"' at start of label value, found 'c'"],
    ['a{b="c"d="e"} 1\n', 'line 1: unexpected end of label value "c"'],
    ['a{b="c\nd"} 1\n', 'line 1: label value "c" contains unescaped new-line'],
    ['a{b="c\\t"} 1\n', "line 1: invalid escape sequence '\\t'"],
    ['a{__name__="c"} 1\n', 'line 1: label name "__name__" is reserved'],
    ['a{b="1",c="2",b="3"} 1\n', 'line 1: duplicate label names for metric "a"'],
    [
      `a{${Array.from({ length: 40 }, (_, i) => `l${i}="x"`).join(',')},l3="y"} 1\n`,
      'line 1: duplicate label names for metric "a"',
    ],
    ['# HELP a x\n# HELP a y\n', 'line 2: second HELP line for metric name "a"'],
    ['# HELP a x\\y\n', "line 1: invalid escape sequence '\\y'"],
    ['# HELP é x\n', 'line 1: invalid metric name in comment'],
    [
      '# TYPE a counter\n# TYPE a counter\n',
      'line 2: second TYPE line for metric name "a", or TYPE reported after samples',
    ],
    ['a 1\n# TYPE a counter\n', 'line 2: second TYPE line for metric name "a", or TYPE reported after samples'],
    ['# TYPE a unknown\n', 'line 1: unknown metric type "unknown"'],
    ['# TYPE a gauge \n', 'line 1: unknown metric type "gauge "'],
    ['# TYPE a hiﬆogram\n', 'line 1: unknown metric type "hiﬆogram"'],
    ['# TYPE s summary\ns{quantile="x"} 1\n', 'line 2: expected float as value for \'quantile\' label, got "x"'],
    ['# TYPE h histogram\nh_bucket{le=""} 1\n', 'line 2: expected float as value for \'le\' label, got ""'],
    ['# TYPE h histogram\nh_bucket{le="1"} -1\n', 'line 2: negative bucket population for histogram "h"'],
    ['# TYPE h histogram\nh_count -0.5\n', 'line 2: negative count for histogram "h"'],
  ])('%j', (body, reason) => {
    expect(refusal(() => parseText(body))).toBe(reason);
  });
  it('quotes only the beginning of a long text', () => {
    expect(refusal(() => parseText(`a ${'x'.repeat(1e6)}\n`)).length).toBeLessThan(200);
  });
});

describe('values', () => {
  it.each<[text: string, value: number]>([
    ['0', 0],
    ['-0', -0],
    ['+1', 1],
    ['007', 7],
    ['.5', 0.5],
    ['5.', 5],
    ['-1.25', -1.25],
    ['1e3', 1000],
    ['1E+3', 1000],
    ['1e-3', 0.001],
    ['inf', Infinity],
    ['+Inf', Infinity],
    ['-INFINITY', -Infinity],
    ['nan', NaN],
    ['1e-400', 0],
    ['0e999999999999', 0],
    ['0.1234567890123456789', 0.12345678901234568],
    ['9007199254740993', 9007199254740992],
    ['123456.789012345', 123456.789012345],
    ['1.7976931348623157e308', Number.MAX_VALUE],
    ['4.9e-324', 5e-324],
  ])('%s', (text, value) => {
    expect(parseText(`a ${text}\n`).get('a')?.metrics).toEqual([{ labels: [], value }]);
  });
  it.each([
    '+nan',
    '-NaN',
    '1e400',
    '-1e400',
    '1.7976931348623159e308',
    '0x1',
    '0x1p-2',
    '1_000',
    '1e',
    '1e+',
    '.',
    '-',
    '+.',
    'e5',
    '1.2.3',
    '--1',
    '1e5.5',
    'infinit',
    'infinityy',
    'İnf',
    '0b1',
    '1p5',
    '１',
  ])('not %s', (text) => {
    expect(refusal(() => parseText(`a ${text}\n`))).toBe(`line 1: expected float as value, got "${text}"`);
  });
});

describe('UTF-8 names', () => {
  it.each<[body: string, meaning: string]>([
    ['{"my.metric","my label"="x",b="y"} 1\n', '# TYPE "my.metric" untyped\n{"my.metric","my label"="x",b="y"} 1\n'],
    ['"my.metric" 1\n', '# TYPE "my.metric" untyped\n{"my.metric"} 1\n'],
    ['a{"b:c"="d"} 1\n', '# TYPE a untyped\na{"b:c"="d"} 1\n'],
    [
      '# HELP "\\"\\\\\\n" x\n{"\\"\\\\\\n"} 1\n',
      '# HELP "\\"\\\\\\n" x\n# TYPE "\\"\\\\\\n" untyped\n{"\\"\\\\\\n"} 1\n',
    ],
    [
      '# TYPE "é" summary\n{"é",quantile="1"} 1\n{"é_count"} 2\n',
      '# TYPE "é" summary\n{"é",quantile="1"} 1\n{"é_sum"} 0\n{"é_count"} 2\n',
    ],
    [
      '# TYPE h histogram\nb 1\n{le="1","h"} 1\n',
      '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 0\nh_sum 0\nh_count 0\n# TYPE b untyped\nb 1\n',
    ],
  ])('%j', (body, meaning) => {
    expect(roundTrip(body, true)).toBe(meaning);
  });
});

describe('what the line before had does not', () => {
  it.each([
    ['need quotes any more', '{"a","b.c"="1"} 1\na{b.c="1"} 2\n'],
    ['need quotes any more', '"a.b" 1\na.b 2\n'],
    ['count for a name that only begins alike', 'a{b="1"} 1\na{bc} 2\n'],
  ])('%s: %j', (_, body) => {
    expect(refusal(() => parseText(body, { utf8Names: true }))).toMatch(/^line 2: /);
  });
  it.each<[body: string, meaning: string]>([
    [
      'a{b="1",c="2"} 1\na{b="1"} 2\na{b="1",c="2",d="3"} 3\n',
      'a{b="1",c="2"} 1\na{b="1"} 2\na{b="1",c="2",d="3"} 3\n',
    ],
    ['a{b="1"} 1\na 2\na{b="1"} 3\nab{b="1"} 4\n', 'a{b="1"} 1\na 2\na{b="1"} 3\n# TYPE ab untyped\nab{b="1"} 4\n'],
    ['a{b="1",c="2"} 1\na{c="2",b="1"} 2\n', 'a{b="1",c="2"} 1\na{c="2",b="1"} 2\n'],
    [
      'a{b="1"} 1\na{b="12"} 2\na{b="1\\n"} 3\na{b="1\\n"} 4\n',
      'a{b="1"} 1\na{b="12"} 2\na{b="1\\n"} 3\na{b="1\\n"} 4\n',
    ],
  ])('change what is said: %j', (body, meaning) => {
    expect(roundTrip(body)).toBe(`# TYPE a untyped\n${meaning}`);
  });
});

describe('decodeUtf8', () => {
  it('keeps a byte order mark, and reads only its part of a larger buffer', () => {
    expect(decodeUtf8(Buffer.from('xx\ufeffé😀xx').subarray(2, -2))).toBe('\ufeffé😀');
  });
  it.each<[bytes: number[], line: number]>([
    [[0xff], 1],
    [[0x61, 0x0a, 0xc3, 0x0a, 0xa9], 2],
    [[0x0a, 0x0a, 0xed, 0xa0, 0x80], 3],
    [[0xc0, 0x80], 1],
  ])('refuses %j', (bytes, line) => {
    expect(refusal(() => decodeUtf8(Uint8Array.from(bytes)))).toBe(`line ${line}: invalid UTF-8`);
  });
});
