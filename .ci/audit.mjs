// Asks the npm registry for known vulnerabilities of the locked packages. Ends with status 1 if what is shipped has any,
// or if a development dependency has one of level "high" or above. A registry that has no such list is no fault.
import { spawnSync } from 'node:child_process';

const RUNS = [
  { what: 'shipped packages', args: ['--omit=dev', '--audit-level=low'] },
  { what: 'all packages', args: ['--audit-level=high'] },
];

for (const { what, args } of RUNS) {
  const { status, stdout } = spawnSync('npm', ['audit', '--json', ...args], { encoding: 'utf8' });
  const { metadata, vulnerabilities, statusCode, error } = readJson(stdout);
  if (metadata === undefined) {
    console.log(`skipped: npm audit: the registry does not answer it (${statusCode ?? error?.code ?? 'no answer'})`);
    break;
  }
  console.log(`npm audit: ${what}: ${metadata.vulnerabilities.total} vulnerabilities`);
  for (const { name, severity, range } of Object.values(vulnerabilities))
    console.log(`  ${severity}: ${name} ${range}`);
  if (status !== 0) process.exitCode = 1;
}

function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
