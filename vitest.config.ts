import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/runner/longest-first.ts';
import { SLOTS } from './test/support/runner/slots.ts';
import { extendPath } from './test/support/process/tool-path.ts';

extendPath();

const fuzzSeconds = Number(process.env['FUZZ_SECONDS'] ?? 0);
const hostileSeconds = Number(process.env['HOSTILE_SECONDS'] ?? 0);
const none = { include: [] };

/** What starts real processes needs the built gateway, and time: also on a machine that has other things to do. */
const processes = {
  globalSetup: 'test/support/runner/global-setup.ts',
  setupFiles: 'test/support/runner/setup.ts',
  benchmark: none,
};
const waiting = { maxWorkers: SLOTS, sequence: { groupOrder: 1 } };

/** Groups run one after the other: first what needs processors alone. */
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: availableParallelism(),
    teardownTimeout: 20_000,
    sequence: { sequencer: LongestFirst },
    reporters: ['default', 'json', './test/support/runner/reporter.ts'],
    outputFile: { json: '.cache/test-report.json' },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          setupFiles: 'test/support/runner/setup.ts',
          testTimeout: 60_000,
          benchmark: none,
        },
      },
      {
        test: {
          name: 'property',
          include: ['test/property/**/*.test.ts'],
          setupFiles: ['test/support/runner/setup.ts', 'test/support/runner/property.ts'],
          testTimeout: 120_000 + fuzzSeconds * 1_500,
          benchmark: none,
        },
      },
      {
        test: {
          ...processes,
          ...waiting,
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          ...processes,
          ...waiting,
          name: 'differential',
          include: ['test/differential/**/*.test.ts'],
          testTimeout: 120_000 + fuzzSeconds * 1_500,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          ...processes,
          ...waiting,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
      {
        test: {
          ...processes,
          ...waiting,
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          ...processes,
          name: 'hostile',
          // The fuzzer only with `make hostile`: it still finds a fault now and then.
          include: hostileSeconds > 0 ? ['test/hostile/**/*.test.ts'] : ['test/hostile/attacks.test.ts'],
          // They measure, so nothing else runs meanwhile.
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          testTimeout: 180_000 + hostileSeconds * 3_000,
          hookTimeout: 120_000,
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
