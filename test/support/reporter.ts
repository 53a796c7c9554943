import type { Reporter, TestCase } from 'vitest/node';

/** Says of each test that was not run why: the machine lacks what it needs. */
export default class SkipReporter implements Reporter {
  readonly #skipped: string[] = [];

  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    if (result.state !== 'skipped') return;
    this.#skipped.push(`skipped: ${test.fullName}: ${(result.note ?? 'no reason given').replace(/^skipped: /, '')}`);
  }

  onTestRunEnd(): void {
    for (const line of this.#skipped) console.log(line);
  }
}
