/** How the outcome of a push, or what was thrown on the way, is told to the client. */
import { GatewayError, HTTP_STATUS } from '../../shared/errors.ts';
import type { Answer } from './telemetry.ts';

export interface PushAnswer {
  readonly status: number;
  readonly outcome: Answer;
  /** '' = no body. */
  readonly text: string;
  /** For the log, where it is not the text. */
  readonly reason?: string;
}

export const ACCEPTED: PushAnswer = { status: 202, outcome: 'accepted', text: '' };
export const APPLIED: PushAnswer = { status: 200, outcome: 'applied', text: '' };

const OUTCOMES = { 400: 'invalid', 413: 'too_large', 429: 'overloaded', 503: 'unavailable' } as const;

/** Undefined for an internal error, which is not explained to the client. */
export function answerForError(thrown: unknown): PushAnswer | undefined {
  if (!(thrown instanceof GatewayError)) return undefined;
  const { code, message } = thrown;
  const status = HTTP_STATUS[code];
  if (status === 500) return undefined;
  if (code !== 'push_inconsistent') return { status, outcome: OUTCOMES[status], text: message };
  const text = `pushed metrics are invalid or inconsistent with existing metrics: ${message}`;
  return { status, outcome: 'inconsistent', text };
}
