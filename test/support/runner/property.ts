import { configureGlobal } from 'fast-check';

/**
 * Number of runs of a property: few in `make test`, fewer in `make test-quick`, and as many as fit in FUZZ_SECONDS in
 * `make fuzz`, which ends each property by time.
 */
const fuzzSeconds = Number(process.env['FUZZ_SECONDS'] ?? 0);

configureGlobal(
  fuzzSeconds > 0
    ? {
        numRuns: Number.POSITIVE_INFINITY,
        interruptAfterTimeLimit: fuzzSeconds * 1_000,
        markInterruptAsFailure: false,
      }
    : { numRuns: process.env['TEST_QUICK'] === '1' ? 40 : 200 },
);
