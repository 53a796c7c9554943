/**
 * Which format and which compression a scrape gets, from its Accept and Accept-Encoding (RFC 9110, 12.5).
 */
import { escapingSchemes, type EscapingScheme } from '../../shared/exposition/escape-names.ts';

export type ScrapeFormat = 'text' | 'protobuf' | 'openmetrics';
export type ScrapeEncoding = 'identity' | 'gzip' | 'zstd';

export const CONTENT_TYPES: Readonly<Record<ScrapeFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  protobuf: 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** The acceptable format with the highest quality, of equals the first; text when none is ours. */
export function negotiateFormat(accept: string | undefined, openMetrics: boolean): ScrapeFormat {
  for (const { value, parameters } of parseQualities(accept)) {
    const version = parameters.get('version') ?? '';
    if (
      value === 'application/vnd.google.protobuf' &&
      parameters.get('proto') === 'io.prometheus.client.MetricFamily' &&
      parameters.get('encoding') === 'delimited'
    ) {
      return 'protobuf';
    }
    if (value === 'text/plain' && (version === '' || version === '0.0.4')) return 'text';
    if (openMetrics && value === 'application/openmetrics-text' && ['', '0.0.1', '1.0.0'].includes(version)) {
      return 'openmetrics';
    }
  }
  return 'text';
}

/** What to do with names that are not legacy-valid; underscores unless the scraper says that it reads UTF-8. */
export function negotiateEscaping(accept: string | undefined): EscapingScheme {
  for (const { parameters } of parseQualities(accept)) {
    const asked = escapingSchemes.find((scheme) => scheme === parameters.get('escaping'));
    if (asked !== undefined) return asked;
  }
  return 'underscores';
}

/** Of those that this Node can make, the one with the highest quality; of equals the first of `available`. */
export function negotiateEncoding(
  acceptEncoding: string | undefined,
  available: readonly ScrapeEncoding[],
): ScrapeEncoding {
  const qualities = new Map(parseQualities(acceptEncoding, true).map(({ value, quality }) => [value, quality]));
  let best: ScrapeEncoding = 'identity';
  let bestQuality = 0;
  for (const encoding of available) {
    const quality = qualities.get(encoding) ?? qualities.get('*') ?? 0;
    if (quality > bestQuality) [best, bestQuality] = [encoding, quality];
  }
  return best;
}

interface Acceptable {
  readonly value: string;
  readonly quality: number;
  readonly parameters: ReadonlyMap<string, string>;
}

/** Sorted by quality, those of quality 0 left out unless they are asked for. */
function parseQualities(header: string | undefined, withRefused = false): Acceptable[] {
  if (header === undefined) return [];
  const found = header.split(',').map((item): Acceptable => {
    const [value = '', ...rest] = item.split(';');
    const parameters = new Map<string, string>();
    for (const parameter of rest) {
      const equals = parameter.indexOf('=');
      if (equals === -1) continue;
      parameters.set(
        parameter.slice(0, equals).trim().toLowerCase(),
        parameter
          .slice(equals + 1)
          .trim()
          .replace(/^"(.*)"$/, '$1'),
      );
    }
    const quality = Number(parameters.get('q') ?? 1);
    return { value: value.trim().toLowerCase(), quality: Number.isNaN(quality) ? 0 : quality, parameters };
  });
  return found.filter(({ quality }) => withRefused || quality > 0).toSorted((a, b) => b.quality - a.quality);
}
