/**
 * What became of a push, as scripts say it: in a letter.
 */
import type { Outcome } from './push.ts';

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  a: 'applied',
  s: 'superseded',
  d: 'duplicate',
  x: 'dead-lettered',
};

export function outcomeOf(letter: string): Outcome | undefined {
  return OUTCOMES[letter];
}
