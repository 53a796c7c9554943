import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { expectJob, linesOf, NOTHING } from '../../clients/job-state.ts';
import { startSecuredGateway } from '../../clients/secured-gateway.ts';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { sampleValue } from '../../support/metrics-text.ts';
import { projectFolder } from '../../support/project.ts';
import { run, runOrThrow } from '../../support/process/run.ts';
import { alone } from '../../support/runner/slots.ts';
import { temporaryFolder } from '../../support/process/temporary.ts';
import { findTool } from '../../support/process/tools.ts';

// The official client for the JVM; the program is test/clients/java/Client.java.

const source = join(projectFolder, 'test/clients/java');
let gateway: Gateway;
let classPath = '';
let missing: string | undefined;

beforeAll(async () => {
  missing = await buildClient();
  if (missing === undefined) gateway = await startGateway();
}, 400_000);

beforeEach(({ skip }) => {
  skip(missing !== undefined, missing);
});

/**
 * Compiles the program; fast from the second time on because of the Maven cache, which must not be filled twice at the
 * same time. Returns why that is not possible.
 */
async function buildClient(): Promise<string | undefined> {
  for (const tool of ['java', 'javac', 'mvn']) if (findTool(tool) === undefined) return `${tool} is not installed`;
  const folder = temporaryFolder();
  const list = join(folder, 'class-path');
  const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath';
  const maven = ['-q', '-B', '-f', join(source, 'pom.xml'), goal, `-Dmdep.outputFile=${list}`];
  const cached = await run('mvn', ['-o', ...maven]);
  const { code, output } =
    cached.code === 0 ? cached : await alone('maven', async () => run('mvn', maven, { timeoutMs: 300_000 }));
  if (code !== 0) {
    if (/could not be resolved|Could not (transfer|find|resolve)/.test(output)) {
      return 'the Java packages of test/clients/java cannot be downloaded';
    }
    throw new Error(`cannot get the class path: ${output}`);
  }
  classPath = `${folder}:${readFileSync(list, 'utf8')}`;
  await runOrThrow('javac', ['-d', folder, '-cp', classPath, join(source, 'Client.java')]);
  return undefined;
}

/** Runs the program. Returns one line for each request. */
async function java(steps: string, address = `127.0.0.1:${gateway.port}`, flags: string[] = []): Promise<string[]> {
  const words = steps.trim().split(/\s+/);
  const args = ['-XX:TieredStopAtLevel=1', ...flags, '-cp', classPath, 'Client', address, ...words];
  const env = { ...process.env, LC_ALL: 'C.UTF-8' }; // needed to read its arguments
  return (await runOrThrow('java', args, { env })).trimEnd().split('\n');
}

describe.each(['protobuf', 'text'])('%s', (format) => {
  test('push replaces, pushAdd adds, delete deletes', async () => {
    const job = `java-${format}`;
    const line = (name: string, value: number) => `${name}{instance="",job="${job}"} ${value}`;
    const groups = [{ job }];
    expect(await java(`${format} push ${job} - a=1 pushAdd ${job} - b=1 pushAdd ${job} - b=2`)).toEqual([
      'ok',
      'ok',
      'ok',
    ]);
    await expectJob(gateway, job, { lines: [line('a', 1), line('b', 2)], groups });
    expect(await java(`${format} push ${job} - b=3`)).toEqual(['ok']);
    await expectJob(gateway, job, { lines: [line('b', 3)], groups });
    expect(await java(`delete ${job} - delete ${job} -`)).toEqual(['ok', 'ok']);
    await expectJob(gateway, job, NOTHING);
  });

  test('every type arrives, and an inconsistent push does not', async () => {
    const job = `types-${format}`;
    expect(await java(`${format} push ${job} instance=i types push other - java_requests=1`)).toEqual(['ok', 'ok']);
    const lines = [
      'java_duration_seconds_bucket{instance="i",job="J",le="+Inf"} 3',
      'java_duration_seconds_bucket{instance="i",job="J",le="0.1"} 1',
      'java_duration_seconds_bucket{instance="i",job="J",le="1"} 2',
      'java_duration_seconds_count{instance="i",job="J"} 3',
      'java_duration_seconds_sum{instance="i",job="J"} 5.55',
      'java_requests_total{instance="i",job="J",path="/a \\"b\\"\\\\c\\n"} 3',
      'java_size_bytes_count{instance="i",job="J"} 1',
      'java_size_bytes_sum{instance="i",job="J"} 7',
      'java_size_bytes{instance="i",job="J",quantile="0.5"} 7',
    ].map((line) => line.replace('"J"', `"${job}"`));
    await expectJob(gateway, job, { lines, groups: [{ job, instance: 'i' }] });

    const [refused] = await java(`${format} push refused - java_size_bytes=1`);
    expect(refused).toMatch(
      /\/metrics\/job\/refused was 400, response body: pushed metrics are invalid or inconsistent/,
    );
    await eventually(async () => {
      expect(sampleValue(await gateway.scrape(), 'push_failure_time_seconds', { job: 'refused' })).toBeGreaterThan(0);
    });
    expect(await linesOf(gateway, 'refused')).toEqual([]);
    expect(await java(`delete ${job} instance=i`)).toEqual(['ok']);
    await expectJob(gateway, job, NOTHING);
  });
});

test.each([
  ['path=/var/tmp,plus=1+1', 'g{instance="",job="/etc/cron",path="/var/tmp",plus="1+1"} 1'],
  ['zone=', 'g{instance="",job="/etc/cron",zone=""} 1'],
  ['a=Zürich%?#', 'g{a="Zürich%?#",instance="",job="/etc/cron"} 1'],
])('job /etc/cron, grouping key %s', async (labels, line) => {
  const pairs = labels.split(',').map((pair) => pair.split('='));
  const job = '/etc/cron';
  expect(await java(`push ${job} ${labels} g=1`)).toEqual(['ok']);
  await expectJob(gateway, job, { lines: [line], groups: [{ job, ...Object.fromEntries(pairs) }] });
  expect(await java(`delete ${job} ${labels}`)).toEqual(['ok']);
  await expectJob(gateway, job, NOTHING);
});

test('TLS and basic authentication', async () => {
  const { address, user, password, certificateFile, request } = await startSecuredGateway();
  const store = join(temporaryFolder(), 'trusted.p12');
  const secret = ['-storepass', 'changeit', '-noprompt'];
  await runOrThrow('keytool', ['-importcert', '-file', certificateFile, '-keystore', store, ...secret]);
  const flags = [`-Djavax.net.ssl.trustStore=${store}`, '-Djavax.net.ssl.trustStorePassword=changeit'];
  const steps = `https auth ${user} wrong push secured - g=1 auth ${user} ${password} push secured - g=1`;
  expect(await java(steps, address, flags)).toEqual([expect.stringContaining('401'), 'ok']);
  await expectJob({ request }, 'secured', {
    lines: ['g{instance="",job="secured"} 1'],
    groups: [{ job: 'secured' }],
  });
  expect(await java(`https auth ${user} ${password} delete secured -`, address, flags)).toEqual(['ok']);
  await expectJob({ request }, 'secured', NOTHING);
});
