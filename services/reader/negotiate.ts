/**
 * Which format and which compression a scrape gets, from its Accept and Accept-Encoding (RFC 9110, 12.5).
 */
export type ScrapeFormat = 'text' | 'protobuf';
export type ScrapeEncoding = 'identity' | 'gzip' | 'zstd';

export const CONTENT_TYPES: Readonly<Record<ScrapeFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  protobuf: 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited',
};

/** The acceptable format with the highest quality, of equals the first; text when none is ours. */
export function negotiateFormat(accept: string | undefined): ScrapeFormat {
  for (const { value, parameters } of parseQualities(accept)) {
    if (
      value === 'application/vnd.google.protobuf' &&
      parameters.get('proto') === 'io.prometheus.client.MetricFamily' &&
      parameters.get('encoding') === 'delimited'
    ) {
      return 'protobuf';
    }
    const version = parameters.get('version');
    if (value === 'text/plain' && (version === undefined || version === '' || version === '0.0.4')) return 'text';
  }
  return 'text';
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
