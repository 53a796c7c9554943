import { defineConfig } from 'vitest/config';
import { extendPath } from '../support/process/tool-path.ts';

extendPath();

/** The benchmarks that start servers (`make bench`), separate from the tests. */
export default defineConfig({
  test: {
    include: ['test/bench/table.ts', 'test/bench/check.ts'],
    pool: 'forks',
    maxWorkers: 1,
    globalSetup: 'test/support/runner/global-setup.ts',
    setupFiles: 'test/support/runner/setup.ts',
    testTimeout: 4 * 3_600_000,
    hookTimeout: 300_000,
    teardownTimeout: 60_000,
    disableConsoleIntercept: true,
  },
});
