import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { SECTIONS } from './harness/cases.ts';
import { stateDifference } from './harness/observe.ts';
import { answerDifference, RELEASES, whyNot } from './harness/pair.ts';
import { pairOf } from './harness/run-case.ts';

// As clients without Prefer: wait do: 202, and soon after the push is visible. Earlier pushes count at once for checks.

const [release = 'latest'] = RELEASES.filter((one) => !whyNot(one)[0]);
const pair = pairOf(release, { wait: false });
const cases = SECTIONS.filter(([section]) => section === 'groups' || section === 'consistency').flatMap(
  ([, own]) => own,
);

test.for(cases)('without waiting: %s', async ([, ...steps], { skip }) => {
  skip(...whyNot(release));
  const both = pair();
  await both.wipe();
  for (const step of steps) {
    const [ours, official] = await both.send(step);
    expect(answerDifference(step, ours, official)).toBeUndefined();
    if (official.status === 200) expect(ours.status).toBe(202);
  }
  let difference: string | undefined = 'not looked at';
  const isSame = async (): Promise<boolean> => {
    difference = stateDifference(...(await both.observe()));
    return difference === undefined;
  };
  await eventually(isSame, { timeoutMs: 3_000 }).catch(() => expect.fail(difference));
});
