/** How the outcome of a push, or what was thrown on the way, is told to the client. */
import { asError, GatewayError } from '../../shared/errors.ts';
import { BodyError } from '../../shared/http/body/read-body.ts';
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

/** Undefined for what is a fault of ours and not to be explained to a client. */
export function answerForError(thrown: unknown): PushAnswer | undefined {
  const { message } = asError(thrown);
  if (thrown instanceof BodyError) {
    switch (thrown.fault) {
      case 'too_large':
        return { status: 413, outcome: 'too_large', text: message };
      case 'overloaded':
        return { status: 429, outcome: 'overloaded', text: message };
      case 'aborted':
        return { status: 400, outcome: 'invalid', text: message };
      default:
        thrown.fault satisfies never;
    }
  }
  if (!(thrown instanceof GatewayError)) return undefined;
  switch (thrown.code) {
    case 'exposition_invalid':
    case 'path_invalid':
    case 'request_invalid':
      return { status: 400, outcome: 'invalid', text: message };
    case 'push_inconsistent':
      return {
        status: 400,
        outcome: 'inconsistent',
        text: `pushed metrics are invalid or inconsistent with existing metrics: ${message}`,
      };
    case 'redis_unavailable':
    case 'redis_full':
    case 'not_durable':
    case 'shutting_down':
      return { status: 503, outcome: 'unavailable', text: message };
    case 'overloaded':
      return { status: 429, outcome: 'overloaded', text: message };
    case 'config_invalid':
      return undefined;
    default:
      thrown.code satisfies never;
      return undefined;
  }
}
