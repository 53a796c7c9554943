import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { linesOf } from '../clients/job-state.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { sampleValue } from '../support/metrics-text.ts';
import { freePort } from '../support/ports.ts';
import { projectFolder } from '../support/project.ts';
import { run, type Outcome } from '../support/run.ts';

// What the documents tell to type works: every line with curl, and what stands in examples/.

const documents = [
  'README.md',
  'k6/README.md',
  ...readdirSync(join(projectFolder, 'docs')).map((name) => `docs/${name}`),
]
  .filter((path) => path.endsWith('.md'))
  .map((path) => ({ path, commands: curlCommands(readFileSync(join(projectFolder, path), 'utf8')) }))
  .filter(({ commands }) => commands.length > 0);

let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({ args: ['--web.enable-lifecycle', '--web.enable-admin-api'] });
});

/** The commands with curl of the fenced blocks; one that goes on after a backslash, or has a here-document, is whole. */
function curlCommands(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^```(?:sh|bash|shell|console)\n(.*?)^```$/gms)].map(([, block = '']) => block);
  const command = /^(?:.*\\\n)*(?:.*<<-?\s*['"]?(?<end>\w+)['"]?.*\n(?:.*\n)*?\s*\k<end>\n|.*\n)/gm;
  return blocks
    .flatMap((block) => [...block.matchAll(command)].map(([text]) => text.trim()))
    .filter((text) => /(^|[|&;(]\s*|\$\s+)curl\s/m.test(text) && !text.startsWith('#'))
    .map((text) => text.replace(/^\$ /, ''));
}

/** Runs it with our gateway in place of the one it names, and curl failing when it is refused. */
async function sh(command: string): Promise<Outcome> {
  const here = command.replaceAll(/\bhttp:\/\/[\w.-]+:(9753|9091)\b/g, gateway.url);
  const strict = `curl() { command curl --fail-with-body -sS --max-time 30 "$@"; }\n`;
  return await run('sh', ['-euc', strict + here], { cwd: projectFolder });
}

test('the README has such lines', () => {
  expect(documents.map(({ path }) => path)).toContain('README.md');
});

describe.each(documents)('$path', ({ commands }) => {
  test.for(commands)('%s', async (command, { skip }) => {
    skip(/https:|unix:|--unix-socket/.test(command), 'it asks a gateway that is set up otherwise');
    expect(await sh(command)).toMatchObject({ code: 0 });
  });
});

test('the README pushes what it says it pushes, and deletes it', async () => {
  const [push = '', remove = ''] = documents.find(({ path }) => path === 'README.md')?.commands ?? [];
  await sh(push);
  await eventually(async () => {
    const lines = ['backup_last_success_timestamp_seconds{instance="db-1",job="backup"} 1.7e+09'];
    expect(await linesOf(gateway, 'backup')).toEqual(lines);
  });
  await sh(remove);
  await eventually(async () => expect(await linesOf(gateway, 'backup')).toEqual([]));
});

test('make ingest, make metrics', async () => {
  const make = async (target: string) =>
    await run('make', ['-s', target, `PORT=${gateway.port}`], { cwd: projectFolder });
  expect(await make('ingest')).toMatchObject({ code: 0 });
  const example = readFileSync(join(projectFolder, 'examples/data.txt'), 'utf8');
  const line = /^checkout_duration_seconds_count.*$/m.exec(example)?.[0] ?? 'no such line';
  await eventually(async () => expect((await make('metrics')).stdout).toContain(line));
});

describe('examples/push.sh', () => {
  const push = async (command: string, url = gateway.url) =>
    await run('sh', [join(projectFolder, 'examples/push.sh'), 'nightly', 'sh', '-c', command], {
      env: { ...process.env, PUSHGATEWAY_URL: url, PUSHGATEWAY_TTL: '1h' },
    });
  const value = async (name: string) => sampleValue(await gateway.scrape(), name, { job: 'nightly' });

  test('reports how a job went, and ends as it did', async () => {
    expect(await push('echo done')).toMatchObject({ code: 0, output: 'done\n' });
    await eventually(async () => expect(await value('job_exit_status')).toBe(0));
    const success = await value('job_last_success_timestamp_seconds');
    expect(success).toBeGreaterThan(Date.now() / 1000 - 60);
    expect(await push('exit 3')).toMatchObject({ code: 3, output: '' });
    await eventually(async () => expect(await value('job_exit_status')).toBe(3));
    expect(await value('job_last_success_timestamp_seconds')).toBe(success);
  });

  test('lets the job be when the gateway is away', async () => {
    const { code, output } = await push('exit 0', `http://127.0.0.1:${await freePort()}`);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('push.sh: could not report to') });
  });
});
