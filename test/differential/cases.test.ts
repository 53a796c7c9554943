import { describe, test } from 'vitest';
import { LATEST_SECTIONS, SECTIONS } from './harness/cases.ts';
import { RELEASES, whyNot } from './harness/pair.ts';
import { protobufCases, protobufLatestCases } from './harness/protobuf-cases.ts';
import { pairOf, runCase } from './harness/run-case.ts';

// Each case is sent to the official gateway and to ours. The answers and the following scrapes must be equal.

describe.for(RELEASES)('like the official gateway, %s', (release) => {
  const pair = pairOf(release);
  const isLatest = release === 'latest';

  describe.for(isLatest ? [...SECTIONS, ...LATEST_SECTIONS] : SECTIONS)('%s', ([, cases]) => {
    test.for(cases)('%s', async (one, { skip }) => {
      skip(...whyNot(release));
      await runCase(pair(), one);
    });
  });

  describe('protobuf', () => {
    test.for(isLatest ? [...protobufCases, ...protobufLatestCases] : protobufCases)('%s', async (one, { skip }) => {
      skip(...whyNot(release));
      await runCase(pair(), one, { protobuf: true });
    });
  });
});
