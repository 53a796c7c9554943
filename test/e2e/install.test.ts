import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startGateway } from '../support/servers/gateway.ts';
import { sampleValue } from '../support/metrics-text.ts';
import { projectFolder } from '../support/project.ts';
import { applied } from '../support/http/request.ts';
import { run } from '../support/process/run.ts';
import { temporaryFolder } from '../support/process/temporary.ts';

interface Lock {
  readonly packages: Record<string, { version: string; dev?: true; optional?: true }>;
}

// `make install` packs the project with npm, and has npm install what the package needs, in the versions of
// package-lock.json.

test('make install: the command runs from there, until make uninstall', async ({ skip }) => {
  const prefix = temporaryFolder();
  // The packages of the project are not changed, because other tests use them.
  const flags = ['-s', '-o', 'node_modules/.package-lock.json', `PREFIX=${prefix}`];
  const make = async (target: string) => run('make', [...flags, target], { cwd: projectFolder });
  const installed = await make('install');
  skip(/EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ETIMEDOUT/.test(installed.output), 'the npm registry cannot be reached');
  expect(installed, installed.output).toMatchObject({ code: 0 });

  const command = join(prefix, 'bin/pushgateway');
  expect(await run(command, ['--version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^pushgateway, /) });
  const gateway = await startGateway({ program: command });
  expect(await gateway.push('/metrics/job/j', 'm 1\n', applied)).toMatchObject({ status: 200 });
  expect(sampleValue(await gateway.scrape(), 'm')).toBe(1);
  expect(await gateway.stop()).toEqual({ code: 0, signal: null });

  const { packages } = JSON.parse(readFileSync(join(projectFolder, 'package-lock.json'), 'utf8')) as Lock;
  for (const [path, { version, dev, optional }] of Object.entries(packages)) {
    const file = join(prefix, 'lib/pushgateway', path, 'package.json');
    if (dev === true) expect(existsSync(file), path).toBe(false);
    else if (optional !== true) expect(JSON.parse(readFileSync(file, 'utf8')), path).toMatchObject({ version });
  }

  expect(await make('uninstall')).toMatchObject({ code: 0 });
  for (const path of ['bin/pushgateway', 'lib/pushgateway']) expect(existsSync(join(prefix, path)), path).toBe(false);
});
