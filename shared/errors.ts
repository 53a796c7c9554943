/**
 * Errors with a stable code. Messages read "cannot X: Y" and quote the input at fault. docs/api/errors.md describes
 * each code and its remedy.
 */
export type ErrorCode =
  /** A setting, or a file or server that it names, cannot be used. */
  | 'config_invalid'
  /** The URL of a push does not hold a valid grouping key. */
  | 'path_invalid'
  /** A parameter, a header or the encoding of the body is not valid. */
  | 'request_invalid'
  /** The connection ended before the whole body had arrived. */
  | 'body_incomplete'
  /** The body is not valid in its exposition format. */
  | 'exposition_invalid'
  /** The pushed metrics contradict themselves, or those of other groups. */
  | 'push_inconsistent'
  /** The push exceeds the limit on its size, series, families, or time or memory to read it. */
  | 'push_too_large'
  /** Too many pushes are in flight, or the backlog is full. */
  | 'overloaded'
  /** Redis did not confirm the push in time. */
  | 'redis_unavailable'
  /** Redis has no memory left for the push. */
  | 'redis_full'
  /** The push was appended, but not confirmed as durable as --push.durability requires. */
  | 'not_durable'
  /** The gateway is stopping. */
  | 'shutting_down';

/** 500 stands for codes that never reach a client. */
export const HTTP_STATUS = {
  config_invalid: 500,
  path_invalid: 400,
  request_invalid: 400,
  body_incomplete: 400,
  exposition_invalid: 400,
  push_inconsistent: 400,
  push_too_large: 413,
  overloaded: 429,
  redis_unavailable: 503,
  redis_full: 503,
  not_durable: 503,
  shutting_down: 503,
} as const satisfies Record<ErrorCode, number>;

export class GatewayError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GatewayError';
    this.code = code;
  }
}

/** Coerces a thrown value to an Error; called once, at the boundary that catches it. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** The code of a system error, such as `ENOENT`, or else its message. */
export function systemReason(thrown: unknown): string {
  const error: NodeJS.ErrnoException = asError(thrown);
  return error.code ?? error.message;
}
