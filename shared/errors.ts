/**
 * Errors with a stable code. Messages read "cannot X: Y" and quote the input that was at fault.
 */
export type ErrorCode =
  | 'config_invalid'
  | 'exposition_invalid'
  | 'push_inconsistent'
  | 'path_invalid'
  | 'request_invalid'
  | 'redis_unavailable'
  | 'redis_full'
  | 'not_durable'
  | 'overloaded'
  | 'shutting_down';

export class GatewayError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GatewayError';
    this.code = code;
  }
}

/** Coerces whatever was thrown into an Error; used once, at a boundary. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
