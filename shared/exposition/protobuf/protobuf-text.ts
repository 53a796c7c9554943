/**
 * A family in protobuf's text format, for people: the answer to scrapes with `encoding=text` or
 * `encoding=compact-text`. It is made from the wire format, so that it has the same content (see codec.ts).
 *
 * Go's encoder puts one or two blanks between the fields, depending on the build, so that programs do not rely on it.
 * Here it is one.
 * https://protobuf.dev/reference/protobuf/textformat-spec/
 */
import { formatCount, formatFloat } from '../text/format-float.ts';
import { BYTES, FIXED64, VARINT, WireReader } from './reader.ts';

/** Fields in the order of the .proto file, in which Go writes them. */
type Message = readonly (readonly [name: string, number: number, kind: Kind])[];
type Scalar = (reader: WireReader) => string;
type Kind = { readonly wireType: number; readonly scalar: Scalar } | { readonly message: Message };

const TYPE_NAMES = ['COUNTER', 'GAUGE', 'SUMMARY', 'UNTYPED', 'HISTOGRAM', 'GAUGE_HISTOGRAM'];

const text: Kind = { wireType: BYTES, scalar: (reader) => quoted(reader.string()) };
const double: Kind = { wireType: FIXED64, scalar: (reader) => float(reader.double()) };
const uint64: Kind = { wireType: VARINT, scalar: (reader) => formatCount(reader.uint64()) };
const int64: Kind = { wireType: VARINT, scalar: (reader) => String(reader.int64()) };
const sint64: Kind = { wireType: VARINT, scalar: (reader) => String(reader.sint64()) };
const sint32: Kind = { wireType: VARINT, scalar: (reader) => String(reader.sint32()) };
const type: Kind = { wireType: VARINT, scalar: (reader) => TYPE_NAMES[reader.uint32()] ?? 'UNTYPED' };

const label: Kind = { message: [['name', 1, text], ['value', 2, text]] }; // prettier-ignore
const value: Kind = { message: [['value', 1, double]] };
const timestamp: Kind = { message: [['seconds', 1, int64], ['nanos', 2, int64]] }; // prettier-ignore
const span: Kind = { message: [['offset', 1, sint32], ['length', 2, uint64]] }; // prettier-ignore
// prettier-ignore
const exemplar: Kind = { message: [['label', 1, label], ['value', 2, double], ['timestamp', 3, timestamp]] };
// prettier-ignore
const counter: Kind = { message: [
  ['value', 1, double], ['exemplar', 2, exemplar], ['created_timestamp', 3, timestamp],
] };
const quantile: Kind = { message: [['quantile', 1, double], ['value', 2, double]] }; // prettier-ignore
// prettier-ignore
const summary: Kind = { message: [
  ['sample_count', 1, uint64], ['sample_sum', 2, double], ['quantile', 3, quantile],
  ['created_timestamp', 4, timestamp],
] };
// prettier-ignore
const bucket: Kind = { message: [
  ['cumulative_count', 1, uint64], ['cumulative_count_float', 4, double], ['upper_bound', 2, double],
  ['exemplar', 3, exemplar],
] };
// prettier-ignore
const histogram: Kind = { message: [
  ['sample_count', 1, uint64], ['sample_count_float', 4, double], ['sample_sum', 2, double], ['bucket', 3, bucket],
  ['created_timestamp', 15, timestamp], ['schema', 5, sint32], ['zero_threshold', 6, double],
  ['zero_count', 7, uint64], ['zero_count_float', 8, double],
  ['negative_span', 9, span], ['negative_delta', 10, sint64], ['negative_count', 11, double],
  ['positive_span', 12, span], ['positive_delta', 13, sint64], ['positive_count', 14, double],
  ['exemplars', 16, exemplar],
] };
// prettier-ignore
const metric: Kind = { message: [
  ['label', 1, label], ['gauge', 2, value], ['counter', 3, counter], ['summary', 4, summary],
  ['untyped', 5, value], ['histogram', 7, histogram], ['timestamp_ms', 6, int64],
] };
// prettier-ignore
const family: Message = [['name', 1, text], ['help', 2, text], ['type', 3, type], ['metric', 4, metric]];

/** What separates the fields of a family, and what follows the last: the compact form is one line. */
export const PROTOBUF_TEXT = { separator: '\n', end: '\n\n' } as const;
export const PROTOBUF_COMPACT_TEXT = { separator: ' ', end: '\n' } as const;

/** `wire`: a MetricFamily without its length, or consecutive fields of one. Without a separator or an end. */
export function protobufText(wire: Uint8Array, form: typeof PROTOBUF_TEXT | typeof PROTOBUF_COMPACT_TEXT): string {
  return fieldsOf(new WireReader(wire), family, form === PROTOBUF_COMPACT_TEXT ? undefined : '').join(form.separator);
}

/** `indent`: that of the message; undefined for the compact form. */
function fieldsOf(reader: WireReader, message: Message, indent: string | undefined): string[] {
  const found = new Map<number, string[]>();
  while (reader.next()) {
    const field = message.find(([, number, kind]) => reader.tag === number * 8 + wireTypeOf(kind));
    if (field === undefined) {
      reader.skip();
      continue;
    }
    const [name, number, kind] = field;
    const written = 'scalar' in kind ? kind.scalar(reader) : messageOf(reader, kind.message, indent);
    const line = indent === undefined ? `${name}:${written}` : `${indent}${name}: ${written}`;
    const lines = found.get(number);
    if (lines === undefined) found.set(number, [line]);
    else lines.push(line);
  }
  return message.flatMap(([, number]) => found.get(number) ?? []);
}

function messageOf(reader: WireReader, message: Message, indent: string | undefined): string {
  const outerEnd = reader.enter();
  const fields = fieldsOf(reader, message, indent === undefined ? undefined : `${indent}  `);
  reader.leave(outerEnd);
  if (indent === undefined || fields.length === 0) return `{${fields.join(' ')}}`;
  return `{\n${fields.join('\n')}\n${indent}}`;
}

function wireTypeOf(kind: Kind): number {
  return 'scalar' in kind ? kind.wireType : BYTES;
}

function float(n: number): string {
  if (Number.isFinite(n)) return formatFloat(n);
  return Number.isNaN(n) ? 'nan' : n > 0 ? 'inf' : '-inf';
}

// eslint-disable-next-line no-control-regex
const ESCAPED = /["\\\0-\x1f\x7f-\x9f]/g;
const SHORT = new Map([['"', '\\"'], ['\\', '\\\\'], ['\n', '\\n'], ['\r', '\\r'], ['\t', '\\t']]); // prettier-ignore

function quoted(string: string): string {
  const escaped = string.replaceAll(ESCAPED, (char) => {
    const hex = char.charCodeAt(0).toString(16);
    return SHORT.get(char) ?? (char < '\x80' ? `\\x${hex.padStart(2, '0')}` : `\\u${hex.padStart(4, '0')}`);
  });
  return `"${escaped}"`;
}
