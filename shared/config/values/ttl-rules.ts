/** `ttl_rules`: the time to live of a job's metrics. */
import { GatewayError } from '../../errors.ts';
import type { Config } from '../config.ts';

/** Milliseconds; 0 = never expires. */
export function ttlForJob(config: Pick<Config, 'ttlRules' | 'redis'>, job: string): number {
  return config.ttlRules.find((rule) => rule.job.test(job))?.ttlMs ?? config.redis.expirationMs;
}

/**
 * Translates a pattern as Prometheus reads it (RE2, anchored at both ends, `.` matches line ends) to a JavaScript
 * RegExp. Constructs that RE2 does not have, or that would silently mean something else in JavaScript, are refused.
 * Throws GatewayError `config_invalid` with "expected …".
 */
export function compileJobPattern(pattern: string): RegExp {
  const inline = /^\(\?([is]+)\)/.exec(pattern);
  const body = pattern.slice(inline?.[0].length ?? 0);
  if (/\(\?(?:=|!|<=|<!)|\\[1-9]|\\k</.test(body.replaceAll(String.raw`\\`, ''))) {
    refuse('look-around and back-references are not supported');
  }
  if (body.includes('[[:')) refuse('classes such as [[:alpha:]] are not supported, write [A-Za-z]');
  if (/\[\^?\]/.test(body)) refuse('] must be escaped inside a class');
  try {
    return new RegExp(`^(?:${translate(body)})$`, inline?.[1]?.includes('i') ? 'isu' : 'su');
  } catch {
    // The engine's message quotes the translated pattern, which the user did not write.
    return refuse('it does not compile');
  }
}

/** RE2 can escape any punctuation, JavaScript's `u` only characters with a meaning; RE2 names groups with `?P<`. */
function translate(body: string): string {
  let inClass = false;
  return body.replaceAll(/\\([\s\S])|\(\?P<|[[\]]/g, (whole, escaped?: string) => {
    if (escaped === '-') return inClass ? whole : '-';
    if (escaped !== undefined) return /["#%&',:;<=>@_`~! ]/.test(escaped) ? escaped : whole;
    if (whole === '[') inClass = true;
    else if (whole === ']') inClass = false;
    else if (!inClass) return '(?<';
    return whole;
  });
}

function refuse(why: string): never {
  throw new GatewayError('config_invalid', `expected a regular expression: ${why}`);
}
