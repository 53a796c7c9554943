import { readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { linesOf } from '../clients/job-state.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/servers/gateway.ts';
import { sampleValue } from '../support/metrics-text.ts';
import { freePort } from '../support/process/ports.ts';
import { projectFolder } from '../support/project.ts';
import { run, type Outcome } from '../support/process/run.ts';
import { temporaryFolder } from '../support/process/temporary.ts';

// The commands in the documents work: every line with curl, and the files of examples/.

const documents = [
  'README.md',
  'k6/README.md',
  ...readdirSync(join(projectFolder, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => `docs/${name}`),
]
  .filter((path) => path.endsWith('.md'))
  .map((path) => ({ path, commands: curlCommands(readFileSync(join(projectFolder, path), 'utf8')) }))
  .filter(({ commands }) => commands.length > 0);

let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({ port: await freePort(), args: ['--web.enable-lifecycle', '--web.enable-admin-api'] });
});

/** The commands with curl in fenced blocks, including continued lines and here-documents. */
function curlCommands(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^```(?:sh|bash|shell|console)\n(.*?)^```$/gms)].map(([, block = '']) => block);
  const command = /^(?:.*\\\n)*(?:.*<<-?\s*['"]?(?<end>\w+)['"]?.*\n(?:.*\n)*?\s*\k<end>\n|.*\n)/gm;
  return blocks
    .flatMap((block) => [...block.matchAll(command)].map(([text]) => text.trim()))
    .filter((text) => /(^|[|&;(]\s*|\$\s+)curl\s/m.test(text) && !text.startsWith('#'))
    .map((text) => text.replace(/^\$ /, ''));
}

/** Runs it against our gateway, with curl failing on HTTP errors, in a temporary folder. */
async function sh(command: string): Promise<Outcome> {
  const cwd = temporaryFolder();
  symlinkSync(join(projectFolder, 'examples'), join(cwd, 'examples'));
  const here = command.replaceAll(/\bhttp:\/\/[\w.-]+:(9753|9091)\b/g, gateway.url);
  const strict = `curl() { command curl --fail-with-body -sS --max-time 60 "$@"; }\n`;
  return await run('sh', ['-euc', strict + here], { cwd });
}

test('the README has commands with curl', () => {
  expect(documents.map(({ path }) => path)).toContain('README.md');
});

describe.each(documents)('$path', ({ commands }) => {
  test.for(commands)('%s', async (command, { skip }) => {
    skip(/https:|unix:|--unix-socket/.test(command), 'it needs a gateway with another configuration');
    expect(await sh(command)).toMatchObject({ code: 0 });
    if (command.includes('/-/quit')) {
      await gateway.process.waitForExit();
      await gateway.restart();
    }
  });
});

test('the README pushes the metrics that it shows, and deletes them', async () => {
  const [push = '', remove = ''] = documents.find(({ path }) => path === 'README.md')?.commands ?? [];
  await sh(push);
  await eventually(async () => {
    const lines = ['report_rows{instance="eu",job="report"} 42'];
    expect(await linesOf(gateway, 'report')).toEqual(lines);
  });
  await sh(remove);
  await eventually(async () => expect(await linesOf(gateway, 'report')).toEqual([]));
});

async function make(target: string): Promise<Outcome> {
  return await run('make', ['-s', target, `PORT=${gateway.port}`], { cwd: projectFolder });
}

test('make ingest, make metrics', async () => {
  expect(await make('ingest')).toMatchObject({ code: 0 });
  const example = readFileSync(join(projectFolder, 'examples/data.txt'), 'utf8');
  const line = /^checkout_duration_seconds_count.*$/m.exec(example)?.[0] ?? 'no such line';
  await eventually(async () => expect((await make('metrics')).stdout).toContain(line));
});

async function reported(name: string): Promise<number | undefined> {
  return sampleValue(await gateway.scrape(), name, { job: 'nightly' });
}

describe('examples/push.sh', () => {
  const script = join(projectFolder, 'examples/push.sh');

  async function nightly(command: string, url = gateway.url): Promise<Outcome> {
    const env = { ...process.env, PUSHGATEWAY_URL: url, PUSHGATEWAY_TTL: '1h' };
    return await run('sh', [script, 'nightly', 'sh', '-c', command], { env });
  }

  test('reports the result of a job, and ends with its status', async () => {
    expect(await nightly('echo done')).toMatchObject({ code: 0, output: 'done\n' });
    await eventually(async () => expect(await reported('job_exit_status')).toBe(0));
    const success = await reported('job_last_success_timestamp_seconds');
    expect(success).toBeGreaterThan(Date.now() / 1000 - 60);
    expect(await nightly('exit 3')).toMatchObject({ code: 3, output: '' });
    await eventually(async () => expect(await reported('job_exit_status')).toBe(3));
    expect(await reported('job_last_success_timestamp_seconds')).toBe(success);
  });

  test('does not affect the job if the gateway is not reachable', async () => {
    const { code, output } = await nightly('exit 0', `http://127.0.0.1:${await freePort()}`);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('push.sh: could not push to') });
  });
});
