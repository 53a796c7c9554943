/** Sends a case to a pair and compares the results. */
import { beforeAll, expect } from 'vitest';
import type { Case } from './cases.ts';
import { listDifference, stateDifference } from './observe.ts';
import { answerDifference, Pair, whyNot, type PairOptions, type Release } from './pair.ts';

export interface RunOptions {
  /** Also compares a scrape in protobuf. */
  readonly protobuf?: boolean;
}

export async function runCase(pair: Pair, [, ...steps]: Case, { protobuf = false }: RunOptions = {}): Promise<void> {
  await pair.wipe();
  const differences: string[] = [];
  for (const step of steps) {
    const difference = answerDifference(step, ...(await pair.send(step)));
    if (difference !== undefined) differences.push(difference);
  }
  const state = stateDifference(...(await pair.observe()));
  if (state !== undefined) differences.push(state);
  if (protobuf) differences.push(...listDifference('protobuf', ...(await pair.observeProtobuf())));
  if (differences.length > 0) expect.fail(differences.join('\n'));
}

/** A pair for all tests of a describe. Tests that use it have to skip if `whyNot(release)`. */
export function pairOf(release: Release, options: PairOptions = {}): () => Pair {
  let pair: Pair | undefined;
  beforeAll(async () => {
    if (!whyNot(release)[0]) pair = await Pair.start(release, options);
  });
  return () => {
    if (pair === undefined) throw new Error('the pair was not started');
    return pair;
  };
}
