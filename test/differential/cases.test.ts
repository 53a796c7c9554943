import { beforeAll, describe, expect, test } from 'vitest';
import { LATEST_SECTIONS, SECTIONS, type Case } from './cases.ts';
import { answerDifference, Pair, RELEASES, whyNot, type PairOptions, type Release } from './pair.ts';
import { listDifference, stateDifference } from './observe.ts';
import { protobufCases, protobufNameCases } from './protobuf-cases.ts';

// Each case goes to the official gateway and to ours; the answers, and what both show afterwards, have to be the same.

async function run(pair: Pair, [, ...steps]: Case, withProtobuf = false): Promise<void> {
  await pair.wipe();
  const differences: string[] = [];
  for (const step of steps) {
    const difference = answerDifference(step, ...(await pair.send(step)));
    if (difference !== undefined) differences.push(difference);
  }
  const state = stateDifference(...(await pair.observe()));
  if (state !== undefined) differences.push(state);
  if (withProtobuf) differences.push(...listDifference('protobuf', ...(await pair.observeProtobuf())));
  if (differences.length > 0) expect.fail(differences.join('\n'));
}

/** A pair for all tests of a describe. */
function pairOf(release: Release, options: PairOptions = {}): () => Pair {
  let pair: Pair | undefined;
  beforeAll(async () => {
    if (!whyNot(release)[0]) pair = await Pair.start(release, options);
  });
  return () => {
    if (pair === undefined) throw new Error('the pair was not started');
    return pair;
  };
}

describe.for(RELEASES)('like the official gateway, %s', (release) => {
  const pair = pairOf(release);
  const sections = release === 'latest' ? [...SECTIONS, ...LATEST_SECTIONS] : SECTIONS;
  describe.for(sections)('%s', ([, cases]) => {
    test.for(cases)('%s', async (one, { skip }) => {
      skip(...whyNot(release));
      await run(pair(), one);
    });
  });
  describe('protobuf', () => {
    test.for(release === 'latest' ? [...protobufCases, ...protobufNameCases] : protobufCases)(
      '%s',
      async (one, { skip }) => {
        skip(...whyNot(release));
        await run(pair(), one, true);
      },
    );
  });
});
