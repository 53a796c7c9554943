import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { projectFolder } from '../project.ts';

/** The files that take longest. They start first, so that the run does not wait for one that started last. */
const LONGEST = [
  'test/faults/faults.test.ts',
  'test/integration/redis/access.test.ts',
  'test/integration/redis/durability.test.ts',
  'test/integration/redis/topologies.test.ts',
  'test/integration/redis/away.test.ts',
  'test/faults/housekeeping.test.ts',
  'test/integration/redis/refusals.test.ts',
  'test/integration/http/gateway.test.ts',
  'test/faults/kill-worker.test.ts',
  'test/e2e/cli.test.ts',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.indexOf(relative(projectFolder, moduleId).replaceAll('\\', '/'));
      return at < 0 ? LONGEST.length : at;
    };
    // oxlint-disable-next-line unicorn/no-array-sort -- not an array's
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => rank(one) - rank(other));
  }
}
