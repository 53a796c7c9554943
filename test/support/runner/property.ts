import { configureGlobal } from 'fast-check';

/**
 * How hard the properties are tried: briefly by `make test`, more briefly by `make test-quick`, and for FUZZ_SECONDS each by
 * `make fuzz`, where the time running out is the expected end.
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
