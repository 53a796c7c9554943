import type { Reporter, TestCase } from 'vitest/node';

/**
 * Reports each failure at once instead of only in the summary, and at the end why tests were skipped, because the
 * machine lacks a program that they need.
 */
export default class FailuresAndSkips implements Reporter {
  readonly #skipped: string[] = [];

  onTestCaseResult(test: TestCase): void {
    const { state, ...result } = test.result();
    if (state === 'failed') {
      const reasons = (result.errors ?? []).map(({ message }) => message.slice(0, 2_000));
      console.log(`failed: ${test.module.relativeModuleId}: ${test.fullName}: ${reasons.join('\n')}`);
    }
    if (state === 'skipped') this.#skipped.push(`skipped: ${test.fullName}: ${whySkipped(test)}`);
  }

  onTestRunEnd(): void {
    for (const line of this.#skipped) console.log(line);
  }
}

function whySkipped(test: TestCase): string {
  const result = test.result();
  const note = result.state === 'skipped' ? result.note : undefined;
  return (note ?? 'no reason given').replace(/^skipped: /, '');
}
