import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectFolder } from '../../support/project.ts';
import { run } from '../../support/process/run.ts';
import { temporaryFolder } from '../../support/process/temporary.ts';

interface Entry {
  version?: string;
  resolved?: string;
  integrity?: string;
  hasInstallScript?: boolean;
  license?: string;
  dependencies?: Record<string, string>;
}

const script = join(projectFolder, '.ci/check-lock.mjs');
const text = readFileSync(join(projectFolder, 'package-lock.json'), 'utf8');

/** Checks package-lock.json after a change to the entry of a package. */
async function check(
  path: string,
  change: (entry: Entry, packages: Record<string, Entry>) => void,
  args: string[] = [],
) {
  const lock: { packages: Record<string, Entry> } = JSON.parse(text);
  change(lock.packages[path] ?? {}, lock.packages);
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock));
  mkdirSync(join(folder, 'node_modules'));
  return run(process.execPath, [script, ...args], { cwd: folder });
}

test('package-lock.json passes', async () => {
  expect(await check('', () => {})).toMatchObject({ code: 0, output: expect.stringContaining(' 0 faults') });
});

const cases: [what: string, change: (entry: Entry, packages: Record<string, Entry>) => void, fault: RegExp][] = [
  ['no hash', (entry) => delete entry.integrity, /yaml: no SHA-512 hash/],
  ['a weak hash', (entry) => (entry.integrity = 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk='), /yaml: no SHA-512 hash/],
  ['an address', (entry) => (entry.resolved = 'https://example.com/yaml.tgz'), /yaml: "https:.* is an address/],
  [
    'a git repository',
    (entry) => (entry.version = 'git+ssh://git@example.com/yaml.git#1'),
    /yaml: "git.* is an address/,
  ],
  [
    'a dependency by address',
    (entry) => (entry.dependencies = { pino: 'github:pinojs/pino' }),
    /yaml: dependency pino/,
  ],
  ['an install script', (entry) => (entry.hasInstallScript = true), /yaml: has an install script/],
  ['another licence', (entry) => (entry.license = 'AGPL-3.0'), /yaml: licence "AGPL-3.0"/],
  ['a missing entry', (_entry, packages) => delete packages['node_modules/yaml'], /dependency yaml has no entry/],
];

test.for(cases)('%s is a fault', async ([, change, fault]) => {
  expect(await check('node_modules/yaml', change)).toMatchObject({ code: 1, output: expect.stringMatching(fault) });
});

test('packages that npm left out for this platform are named, with the remedy', async () => {
  const { code, output } = await check('', () => {}, ['installed']);
  expect(code).toBe(0);
  expect(output).toMatch(/^npm left out @typescript\/typescript-\S+ [\d.]+, .* remedy: npm ci --registry=/m);
  expect(output).not.toMatch(process.platform === 'linux' ? /darwin|win32/ : /linux/);
});
