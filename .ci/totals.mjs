// totals.mjs REPORT TESTS CHECKS: prints the failures and then `N passed, N failed[, N skipped]`, from the JSON report
// of vitest and the exit statuses of `make test` and `make check`. Ends with status 1 if anything failed.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const [reportFile, tests, checks] = process.argv.slice(2);
const report = readReport();

let passed = report.numPassedTests;
const skipped = report.numPendingTests + report.numTodoTests;
// A test without a result was interrupted by a crash.
let failed = report.numTotalTests - passed - skipped;
// A file that cannot be loaded, a leak or an unhandled error fails the run without a failed test. A run without tests
// fails.
if (failed === 0 && (tests !== '0' || passed === 0)) failed = 1;
if (checks === '0') passed++;
else failed++;

for (const file of report.testResults ?? []) {
  const { message, assertionResults } = file;
  const name = relative('.', file.name);
  if (message) console.log(`failed: ${name}: ${firstLine(message)}`);
  for (const { status, fullName, failureMessages } of assertionResults)
    if (status === 'failed') console.log(`failed: ${name}: ${fullName}: ${failureMessages.map(firstLine).join(' | ')}`);
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;

/** The first line, without colour codes. */
function firstLine(text) {
  return stripVTControlCharacters(text.split('\n')[0]);
}

function readReport() {
  try {
    return JSON.parse(readFileSync(reportFile, 'utf8'));
  } catch (error) {
    console.log(`no test report: ${error.message}`);
    return { numTotalTests: 0, numPassedTests: 0, numPendingTests: 0, numTodoTests: 0 };
  }
}
