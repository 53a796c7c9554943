/** Runs in the thread of pattern-matcher.ts. */
import { RE2JS } from 're2js';
import { asError } from '../../../shared/errors.ts';

export interface PatternTask {
  readonly pattern: string;
  readonly values: readonly string[];
}

/** For each value whether it matches, as 0 or 1; or what is wrong with the pattern. */
export type PatternReply = { readonly matches: Uint8Array } | { readonly fault: string };

/** The values of a query come in several tasks. */
let latest: { readonly pattern: string; readonly regex: RE2JS } | undefined;

export default function matchPattern({ pattern, values }: PatternTask): PatternReply {
  try {
    if (latest?.pattern !== pattern) latest = { pattern, regex: RE2JS.compile(pattern, RE2JS.DOTALL) };
  } catch (thrown) {
    // The library writes the DOTALL flag into the pattern that it quotes.
    return {
      fault: asError(thrown)
        .message.replace(/^error parsing regexp: /, '')
        .replace('`(?s)', '`'),
    };
  }
  const { regex } = latest;
  return { matches: Uint8Array.from(values, (value) => (regex.testExact(value) ? 1 : 0)) };
}
