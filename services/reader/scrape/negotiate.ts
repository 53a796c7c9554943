/**
 * Chooses format and compression from Accept and Accept-Encoding, exactly as the official gateway does.
 *
 * Accept is parsed as by `expfmt.Negotiate` with goautoneg, Accept-Encoding as by promhttp with gddo's httputil. Both
 * are stricter than RFC 9110 (case, quotes, white space), and treat a quality of 0 as a refusal only if something else
 * is offered.
 *
 * https://github.com/prometheus/common/blob/v0.67.5/expfmt/encode.go
 * https://github.com/prometheus/client_golang/blob/v1.23.2/internal/github.com/golang/gddo/httputil/negotiate.go
 */
import { ESCAPING_SCHEMES, type EscapingScheme } from '../../../shared/exposition/openmetrics/escape-names.ts';

export type ScrapeFormat = 'text' | 'protobuf' | 'protobuf-text' | 'protobuf-compact-text' | 'openmetrics';
export type ScrapeEncoding = 'identity' | 'gzip' | 'zstd';

export interface Negotiated {
  readonly format: ScrapeFormat;
  /** How names that are not legacy-valid are written. */
  readonly escaping: EscapingScheme;
}

/** Length in characters above which a header counts as missing, because parsing it takes too long. */
const MAX_HEADER_CHARS = 4_096;

const PROTOBUF = 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=';

const CONTENT_TYPES: Readonly<Record<ScrapeFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  protobuf: `${PROTOBUF}delimited`,
  'protobuf-text': `${PROTOBUF}text`,
  'protobuf-compact-text': `${PROTOBUF}compact-text`,
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

const PROTOBUF_ENCODINGS = new Map<string | undefined, ScrapeFormat>([
  ['delimited', 'protobuf'],
  ['text', 'protobuf-text'],
  ['compact-text', 'protobuf-compact-text'],
]);

export function contentType({ format, escaping }: Negotiated): string {
  return `${CONTENT_TYPES[format]}; escaping=${escaping}`;
}

/** The first supported range in order of preference; text if there is none. Earlier ranges may set the escaping. */
export function negotiateFormat(accept: string | undefined, openMetrics: boolean): Negotiated {
  let escaping: EscapingScheme = 'underscores';
  for (const range of parseAccept(unlessLong(accept))) {
    const { parameters } = range;
    escaping = ESCAPING_SCHEMES.find((scheme) => scheme === parameters.get('escaping')) ?? escaping;
    const format = formatOf(range, openMetrics);
    if (format !== undefined) return { format, escaping };
  }
  return { format: 'text', escaping };
}

function formatOf({ type, subtype, parameters }: MediaRange, openMetrics: boolean): ScrapeFormat | undefined {
  const version = parameters.get('version') ?? '';
  switch (`${type}/${subtype}`) {
    case 'application/vnd.google.protobuf':
      return parameters.get('proto') === 'io.prometheus.client.MetricFamily'
        ? PROTOBUF_ENCODINGS.get(parameters.get('encoding'))
        : undefined;
    case 'text/plain':
      return version === '' || version === '0.0.4' ? 'text' : undefined;
    case 'application/openmetrics-text':
      return openMetrics && ['', '0.0.1', '1.0.0'].includes(version) ? 'openmetrics' : undefined;
    default:
      return undefined;
  }
}

function unlessLong(header = ''): string {
  return header.length > MAX_HEADER_CHARS ? '' : header;
}

interface MediaRange {
  readonly type: string;
  readonly subtype: string;
  readonly quality: number;
  readonly parameters: ReadonlyMap<string, string>;
}

/** The media ranges in order of preference. */
function parseAccept(header: string): MediaRange[] {
  const ranges: MediaRange[] = [];
  for (const item of header.split(',')) {
    const range = parseRange(trim(item));
    if (range === undefined) continue;
    // The insertion sort that Go uses for short slices. `isPreferred` is not a proper ordering, so other sorts would
    // differ.
    let at = ranges.length;
    for (let before = ranges[at - 1]; before !== undefined && isPreferred(range, before); before = ranges[at - 1]) at--;
    ranges.splice(at, 0, range);
  }
  return ranges;
}

function isPreferred(range: MediaRange, before: MediaRange): boolean {
  if (range.quality > before.quality) return true;
  if (range.type !== '*' && before.type === '*') return true;
  return range.subtype !== '*' && before.subtype === '*';
}

function parseRange(item: string): MediaRange | undefined {
  const [value = '', ...rest] = item.split(';');
  const [type = '', subtype = '', ...more] = value.split('/').map(trim);
  if (more.join('/') !== '' || (subtype === '' && type !== '*')) return undefined;
  const parameters = new Map<string, string>();
  let quality = 1;
  for (const parameter of rest) {
    const [name = '', text = '', ...others] = parameter.split('=');
    if (text === '' || others.join('=') !== '') continue;
    if (trim(name) === 'q') quality = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : 0;
    else parameters.set(trim(name), trim(text));
  }
  return { type, subtype: subtype === '' ? '*' : subtype, quality, parameters };
}

/** Removes spaces at both ends, but no other white space. */
function trim(text: string): string {
  return text.replaceAll(/^ +| +$/g, '');
}

/** The encoding with the highest quality; among equals `identity`, then the first in `available`. */
export function negotiateEncoding(
  acceptEncoding: string | undefined,
  available: readonly ScrapeEncoding[],
): ScrapeEncoding {
  const accepted = parseEncodings(unlessLong(acceptEncoding));
  let best: ScrapeEncoding = 'identity';
  let bestQuality = -1;
  for (const encoding of ['identity' as const, ...available]) {
    for (const [value, quality] of accepted) {
      if (quality > bestQuality && (value === '*' || value === encoding)) [best, bestQuality] = [encoding, quality];
    }
  }
  // Quality 0 refuses even the best encoding.
  return bestQuality === 0 ? 'identity' : best;
}

/** Parses up to the first item that is malformed. */
function parseEncodings(header: string): [value: string, quality: number][] {
  const accepted: [string, number][] = [];
  const item = /([!#$%&'*+\-.^_`|~\w/]+)[ \t]*(;[ \t]*(?:q=([01])(?:\.(\d*))?)?)?[ \t]*(,[ \t]*)?/y;
  for (;;) {
    const found = item.exec(header);
    if (found === null) return accepted;
    const [, value = '', parameter, whole, fraction, comma] = found;
    if (parameter !== undefined && whole === undefined) return accepted;
    accepted.push([value, whole === undefined ? 1 : Number(whole) + (fraction ? Number(`0.${fraction}`) : 0)]);
    if (comma === undefined) return accepted;
  }
}
