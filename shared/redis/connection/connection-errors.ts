/** Words for errors of a connection, as our users need them. */
import { asError, GatewayError } from '../../errors.ts';
import { namesOptions, nodeError } from './ioredis-workarounds.ts';

/** An AggregateError (a name has several addresses, and none answers) has a code and no message. */
export function explain(error: Error): string {
  if (namesOptions(error)) return 'no connection to Redis';
  return error.message === '' && 'code' in error ? String(error.code) : error.message;
}

/** `config_invalid` for what only another configuration can fix; undefined for everything else. */
export function misconfiguration(thrown: unknown): GatewayError | undefined {
  if (thrown === undefined || thrown instanceof GatewayError) return thrown;
  const cause = asError(thrown);
  const { message } = nodeError(cause);
  if (message.includes('cluster support disabled')) {
    const why = 'cluster support is disabled, but several endpoints or --redis.mode=cluster require it';
    return new GatewayError('config_invalid', `cannot use this Redis: ${why}`, { cause });
  }
  if (message.includes('DB index is out of range')) {
    return new GatewayError('config_invalid', 'cannot use --redis.db: this Redis has fewer databases', { cause });
  }
  return undefined;
}
