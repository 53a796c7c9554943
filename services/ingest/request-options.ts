/** What a push may set besides its content: its TTL, and whether to wait until it is merged. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Config } from '../../shared/config/config.ts';
import { duration } from '../../shared/config/settings/kinds.ts';
import { ttlForJob } from '../../shared/config/values/ttl-rules.ts';
import { asError, GatewayError } from '../../shared/errors.ts';
import { queryOf } from '../../shared/http/request-url.ts';
import type { Labels } from '../../shared/model/metric-family.ts';
import { quote } from '../../shared/model/quote.ts';

/** Limit of a requested wait, s: longer than any request may take. */
const MAX_WAIT_SECONDS = 600;

export interface RequestOptions {
  readonly arrivalMs: number;
  /** 0 = do not wait. */
  readonly waitMs: number;
  /** TTL of a group with these labels; 0 = never expires. */
  readonly ttlMsOf: (labels: Labels) => number;
}

/** Throws `request_invalid`. */
export function requestOptions(
  { url, headers }: { readonly url: string; readonly headers: IncomingHttpHeaders },
  config: Config,
): RequestOptions {
  const ttlMs = requestedTtlMs(url, headers);
  return {
    arrivalMs: Date.now(),
    waitMs: preferredWaitMs(headers) ?? config.push.waitMs,
    ttlMsOf: (labels) => ttlMs ?? ttlForJob(config, labels.find(([name]) => name === 'job')?.[1] ?? ''),
  };
}

/** The TTL in the parameter `ttl` or the header `Pushgateway-TTL`. */
function requestedTtlMs(url: string, headers: IncomingHttpHeaders): number | undefined {
  const parameter = queryOf(url).get('ttl');
  const header = headers['pushgateway-ttl'];
  const text = parameter ?? (Array.isArray(header) ? header[0] : header);
  if (text === undefined) return undefined;
  try {
    return duration.parse(text);
  } catch (thrown) {
    const where = parameter === null ? 'header Pushgateway-TTL' : 'parameter ttl';
    throw new GatewayError('request_invalid', `cannot use ${where} ${quote(text)}: ${asError(thrown).message}`);
  }
}

/** The wait in `Prefer: wait=SECONDS` (RFC 7240); a header that is not understood is ignored. */
function preferredWaitMs({ prefer = '' }: IncomingHttpHeaders): number | undefined {
  // Several headers are joined with a comma. If a preference is repeated, the first one counts.
  for (const preference of String(prefer).split(',')) {
    const match = /^\s*wait\s*=\s*"?(\d+)"?\s*(?:;.*)?$/i.exec(preference);
    if (match !== null) return Math.min(Number(match[1]), MAX_WAIT_SECONDS) * 1000;
  }
  return undefined;
}
