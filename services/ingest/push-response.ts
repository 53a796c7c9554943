/** What the client of a push is answered. */
import { GatewayError, HTTP_STATUS, type ErrorCode } from '../../shared/errors.ts';

export const PUSH_RESULTS = [
  'accepted',
  'applied',
  'invalid',
  'inconsistent',
  'too_large',
  'overloaded',
  'unavailable',
  'failed',
] as const;

export interface PushResponse {
  readonly status: number;
  /** For telemetry. */
  readonly result: (typeof PUSH_RESULTS)[number];
  /** '' = no body. */
  readonly text: string;
  /** Of a push that was refused. */
  readonly code?: ErrorCode;
  /** For the log, if it differs from the text. */
  readonly reason?: string;
}

export const ACCEPTED: PushResponse = { status: 202, result: 'accepted', text: '' };
export const APPLIED: PushResponse = { status: 200, result: 'applied', text: '' };

const RESULTS = { 400: 'invalid', 413: 'too_large', 429: 'overloaded', 503: 'unavailable' } as const;

/** Undefined for an internal error, which is not explained to the client. */
export function responseToError(thrown: unknown): PushResponse | undefined {
  if (!(thrown instanceof GatewayError)) return undefined;
  const { code, message } = thrown;
  const status = HTTP_STATUS[code];
  if (status === 500) return undefined;
  if (code !== 'push_inconsistent') return { status, result: RESULTS[status], code, text: message };
  const text = `pushed metrics are invalid or inconsistent with existing metrics: ${message}`;
  return { status, result: 'inconsistent', code, text };
}
