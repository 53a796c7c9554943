import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { projectFolder } from '../../support/project.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { request, type Answer } from '../../support/http/request.ts';
import { temporaryFolder } from '../../support/process/temporary.ts';

// Checks each row of the access table in docs/security.md.

interface Row {
  readonly method: string;
  readonly path: string;
  readonly byDefault: string;
  readonly flag: string | undefined;
  readonly withoutLogin: string;
  readonly otherOrigin: string;
}

const document = readFileSync(join(projectFolder, 'docs/security.md'), 'utf8');
const [, table = ''] = /<!-- access: .*-->\n\n([^]*?)\n\n/.exec(document) ?? [];
const rows = table
  .split('\n')
  .slice(2)
  .map((line): Row => {
    const [, call = '', byDefault = '', setting = '', withoutLogin = '', otherOrigin = ''] = line.split(/ *\| */);
    const [, method = '', path = ''] = /`([A-Z]+) (\S+?)`/.exec(call) ?? [];
    return { method, path, byDefault, flag: /`(--\S+)`/.exec(setting)?.[1], withoutLogin, otherOrigin };
  });

const OTHER_ORIGIN = { origin: 'https://other.example', 'sec-fetch-site': 'cross-site' };
const FLAGS = ['--web.enable-lifecycle', '--web.enable-admin-api'];

let redis: RedisServer;
let open: Gateway;
let enabled: Gateway;
let strict: Gateway;
let secured: Gateway;

beforeAll(async () => {
  redis = await startRedis();
  const file = join(temporaryFolder(), 'web.yml');
  writeFileSync(file, `basic_auth_users: { alice: "${hashSync('sesame', 4)}" }\n`);
  [open, enabled, strict, secured] = await Promise.all([
    startGateway({ redis }),
    startGateway({ redis, args: FLAGS }),
    startGateway({ redis, args: [...FLAGS, '--web.cross-origin-pushes=refuse'] }),
    startGateway({ redis, args: [...FLAGS, `--web.config.file=${file}`], waitUntilReady: false }),
  ]);
  await secured.process.waitForLine(/msg="ready"/);
});

async function send({ method, path }: Row, to: Gateway, headers: Record<string, string> = {}): Promise<Answer> {
  const body = method === 'PUT' || path === '/ingest' ? 'm 1\n' : undefined;
  const seconds = path.startsWith('/debug') ? '?seconds=1' : '';
  const url = path.replace('JOB', 'j').replace('ID', '1-1') + seconds;
  return request(to.url, url, { method, headers, ...(body !== undefined && { body }) });
}

test('the table has every route, except for aliases', () => {
  expect(rows).toHaveLength(17);
  for (const { path } of rows) expect(path).toMatch(/^\//);
});

describe.for(rows)('$method $path', (row) => {
  // There is no dead letter 1-1.
  const allowed = row.path.includes('/ID') ? [404] : [200, 202];

  test('by default', async () => {
    const { status } = await send(row, open);
    const [, refused] = /^nobody \((\d+)\)$/.exec(row.byDefault) ?? [];
    if (refused === undefined) expect(allowed).toContain(status);
    else expect(status).toBe(Number(refused));
    expect(row.byDefault === 'everybody').toBe(row.flag === undefined);
  });

  test('with the flag', async () => {
    const isQuit = row.path === '/-/quit';
    const gateway = isQuit ? await startGateway({ redis, args: FLAGS }) : enabled;
    const answer = await send(row, gateway);
    if (isQuit) expect(await gateway.process.waitForExit()).toEqual({ code: 0, signal: null });
    expect(allowed).toContain(answer.status);
    expect(answer.text).not.toContain('404 page not found');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
  });

  test('without a login', async () => {
    expect((await send(row, secured)).status).toBe(Number(row.withoutLogin));
  });

  test('for a page of another origin', async () => {
    const [verdict = '', setting = ''] = row.otherOrigin.split('; ');
    const answer = await send(row, enabled, OTHER_ORIGIN);
    if (verdict === '403') expect(answer.status).toBe(403);
    else expect(allowed).toContain(answer.status);
    const canRead = answer.headers['access-control-allow-origin'] !== undefined;
    expect(canRead).toBe(verdict === 'can read it');
    expect(['accepted', 'can read it', 'cannot read it', '403']).toContain(verdict);
    if (setting !== '') expect((await send(row, strict, OTHER_ORIGIN)).status).toBe(403);
  });
});
