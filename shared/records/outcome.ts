/** The outcome of a push, as scripts write it: a letter. */
import type { Outcome } from './push.ts';

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  a: 'applied',
  s: 'superseded',
  d: 'duplicate',
  x: 'dead-lettered',
};

/** Undefined for a letter that this version does not know. */
export function outcomeOf(letter: string): Outcome | undefined {
  return OUTCOMES[letter];
}
