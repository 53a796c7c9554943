import { defineConfig } from 'vitest/config';
import { extendPath } from './test/support/tool-path.ts';

extendPath();

const fuzzSeconds = Number(process.env['FUZZ_SECONDS'] ?? 0);
const none = { include: [] };

/** What starts real processes needs the built gateway, and time. */
const processes = { globalSetup: 'test/support/global-setup.ts', setupFiles: 'test/support/setup.ts', benchmark: none };

/** Groups run one after the other: what is timed or full of processes is not to share two cores with all else. */
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    teardownTimeout: 20_000,
    reporters: ['default', 'json', './test/support/reporter.ts'],
    outputFile: { json: '.cache/test-report.json' },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          setupFiles: 'test/support/setup.ts',
          testTimeout: 10_000,
          benchmark: none,
        },
      },
      {
        test: {
          name: 'property',
          include: ['test/property/**/*.test.ts'],
          setupFiles: ['test/support/setup.ts', 'test/support/property.ts'],
          testTimeout: 60_000 + fuzzSeconds * 1_500,
          benchmark: none,
        },
      },
      {
        test: {
          ...processes,
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...processes,
          name: 'differential',
          include: ['test/differential/**/*.test.ts'],
          testTimeout: 60_000 + fuzzSeconds * 1_500,
          hookTimeout: 600_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...processes,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          ...processes,
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          testTimeout: 240_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 4 },
        },
      },
      {
        test: {
          ...processes,
          name: 'bench',
          // Measurements take long and judge nothing: only when they are asked for.
          include: process.env['BENCH'] === '1' ? ['test/bench/**/*.test.ts'] : [],
          testTimeout: 3_600_000,
          benchmark: { include: ['test/bench/**/*.bench.ts'] },
        },
      },
    ],
  },
});
