/** What a push may ask for beside its content: how long it lives, and whether to wait until it is merged. */
import type { IncomingHttpHeaders } from 'node:http';
import { duration } from '../../shared/config/settings/kinds.ts';
import { quote } from '../../shared/config/values/quote.ts';
import { asError, GatewayError } from '../../shared/errors.ts';
import { queryOf } from '../../shared/http/request-url.ts';

/** From `?ttl=10m` or the header `Pushgateway-TTL`; undefined when neither is there. Throws `request_invalid`. */
export function requestedTtlMs(url: string, headers: IncomingHttpHeaders): number | undefined {
  const fromQuery = queryOf(url).get('ttl');
  const header = headers['pushgateway-ttl'];
  const text = fromQuery ?? (Array.isArray(header) ? header[0] : header);
  if (text === undefined) return undefined;
  const where = fromQuery === null ? 'header Pushgateway-TTL' : 'parameter ttl';
  try {
    return duration.parse(text);
  } catch (thrown) {
    throw new GatewayError('request_invalid', `cannot use ${where} ${quote(text)}: ${asError(thrown).message}`);
  }
}

/** Longer than a request may take anyway. */
const MAX_WAIT_SECONDS = 600;

/** `Prefer: wait=SECONDS` (RFC 7240); undefined when it is not asked for, or asked for in a way we do not understand. */
export function preferredWaitMs(headers: IncomingHttpHeaders): number | undefined {
  const { prefer } = headers;
  if (prefer === undefined) return undefined;
  // Several headers are joined with a comma; of a preference that is there twice the first counts.
  for (const preference of String(prefer).split(',')) {
    const match = /^\s*wait\s*=\s*"?(\d+)"?\s*(?:;.*)?$/i.exec(preference);
    if (match !== null) return Math.min(Number(match[1]), MAX_WAIT_SECONDS) * 1000;
  }
  return undefined;
}
