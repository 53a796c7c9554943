import { beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { applied, keepAlive } from '../../support/http/request.ts';

// GET /api/v1/groups and /api/v1/groups/ID, after real pushes.

let redis: RedisServer;
let gateway: Gateway;

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGateway({ redis, args: ['--redis.expiration=0'] });
  const histogram = [
    '# HELP took_seconds How long it took.',
    '# TYPE took_seconds histogram',
    'took_seconds_bucket{le="1"} 1',
    'took_seconds_bucket{le="+Inf"} 2',
    'took_seconds_sum 3.5',
    'took_seconds_count 2',
    '# TYPE rows gauge',
    'rows{table="a"} 1e6',
    '',
  ].join('\n');
  await gateway.push('/metrics/job/backup/instance/db-1', histogram, applied);
  await gateway.push('/metrics/job/backup/instance/db-2?ttl=1h', 'm 1\n', applied);
  await gateway.push('/metrics/job/ci', 'm{a="1"} 1\n', applied);
  await gateway.push('/metrics/job/ci', 'm 1\nm 2\n');
  await gateway.ingest('calls{region="eu"} 17\n', applied);
  await eventually(async () => (await list('failed=true')).total === 1);
});

interface Listed {
  readonly groups: readonly { readonly id: string; readonly labels: Record<string, string> }[];
  readonly total: number;
  readonly next_cursor: string | null;
}

async function list(query = ''): Promise<Listed> {
  const { status, text } = await gateway.request(`/api/v1/groups?${query}`);
  expect(status, text).toBe(200);
  const { status: word, data } = JSON.parse(text) as { status: string; data: Listed };
  expect(word).toBe('success');
  return data;
}

const names = ({ groups }: Listed): string[] =>
  groups.map(({ labels }) => [labels['job'], labels['instance'], labels['region']].filter(Boolean).join(' '));

test('a group has all its fields', async () => {
  const { groups } = await list('q=db-');
  const now = Date.now() / 1000;
  expect(groups).toEqual([
    {
      id: expect.stringMatching(/^[\w-]{22}$/),
      kind: 'push',
      labels: { job: 'backup', instance: 'db-1' },
      push_time_seconds: expect.closeTo(now, -1.7),
      push_failure_time_seconds: 0,
      last_push_successful: true,
      expires: null,
      family_count: 2,
      series_count: 5,
      kept_out_count: 0,
    },
    expect.objectContaining({ expires: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) }),
  ]);
});

test('families are listed on request', async () => {
  const { groups } = await list('families=true&q=db-1');
  expect(groups[0]).toMatchObject({
    families: [
      { name: 'rows', type: 'GAUGE', series: 1, expires: null },
      { name: 'took_seconds', type: 'HISTOGRAM', help: 'How long it took.', series: 4, expires: null },
    ],
  });
});

describe('the filters', () => {
  test.for([
    ['', ['backup db-1', 'backup db-2', 'ci', 'eu']],
    ['match[]=job%3D%22ci%22', ['ci']],
    ['match[]={instance=~%22.*2%22}&match[]={region!=%22%22}', ['backup db-2', 'eu']],
    ['match%5B%5D={job=%22backup%22,instance!=%22db-1%22}', ['backup db-2']],
    ['q=DB-&match[]={instance=~%22.*2%22}', ['backup db-2']],
    ['failed=true', ['ci']],
    ['failed=false&limit=1000', ['backup db-1', 'backup db-2', 'ci', 'eu']],
    ['match[]={}', ['backup db-1', 'backup db-2', 'ci', 'eu']],
    ['q=nothing', []],
  ] as const)('%s', async ([query, expected]) => {
    const found = await list(query);
    expect(names(found)).toEqual(expected);
    expect(found).toMatchObject({ total: expected.length, next_cursor: null });
  });
});

test('a list in pages', async () => {
  const first = await list('limit=3');
  expect(names(first)).toEqual(['backup db-1', 'backup db-2', 'ci']);
  const rest = await list(`limit=3&cursor=${first.next_cursor ?? ''}`);
  expect(names(rest)).toEqual(['eu']);
  expect([first.total, rest.total, rest.next_cursor]).toEqual([4, 4, null]);
});

describe('invalid parameters are refused with a reason', () => {
  test.for([
    ['match[]={job=x}', 'cannot use selector "{job=x}": expected a value in quotes at character 6, found \'x\''],
    ['match[]=', 'cannot use selector "": expected a label name at character 1, found the end'],
    ['match[]=%7B%7D&'.repeat(21), 'cannot use 21 match[]: expected no more than 20'],
    ['limit=0', 'cannot use limit "0": expected a whole number from 1 to 1000'],
    ['limit=1001', 'cannot use limit "1001": expected a whole number from 1 to 1000'],
    ['limit=1e2', 'cannot use limit "1e2": expected a whole number from 1 to 1000'],
    ['cursor=x', 'cannot use cursor "x": expected the next_cursor of an earlier response'],
    ['failed=yes', 'cannot use failed "yes": expected true or false'],
    ['families=1', 'cannot use families "1": expected true or false'],
  ] as const)('%s', async ([query, error]) => {
    const { status, text, headers } = await gateway.request(`/api/v1/groups?${query}`);
    expect([status, JSON.parse(text)]).toEqual([400, { status: 'error', errorType: 'bad_data', error }]);
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });
});

describe('one group', () => {
  test('has its samples', async () => {
    const { groups } = await list('q=db-1');
    const { status, headers, text } = await gateway.request(`/api/v1/groups/${groups[0]?.id ?? ''}`);
    expect(status).toBe(200);
    expect(headers['content-type']).toContain('application/json');
    const labels = { job: 'backup', instance: 'db-1' };
    expect(JSON.parse(text)).toMatchObject({
      status: 'success',
      data: {
        ...groups[0],
        families: [
          { name: 'rows', type: 'GAUGE', metrics: [{ labels: { ...labels, table: 'a' }, value: '1e+06' }] },
          {
            name: 'took_seconds',
            help: 'How long it took.',
            metrics: [{ labels, buckets: { '1': '1', '+Inf': '2' }, count: '2', sum: '3.5' }],
          },
        ],
      },
    });
  });

  test('of /ingest', async () => {
    const { groups } = await list('q=region');
    const { text } = await gateway.request(`/api/v1/groups/${groups[0]?.id ?? ''}`);
    expect(JSON.parse(text)).toMatchObject({
      data: { kind: 'ingest', families: [{ name: 'calls', metrics: [{ labels: { region: 'eu' }, value: '17' }] }] },
    });
  });

  test.for(['AAAAAAAAAAAAAAAAAAAAAA', 'x', '%00'])('%s is not found', async (id) => {
    const { status, text } = await gateway.request(`/api/v1/groups/${id}`);
    expect([status, JSON.parse(text)]).toMatchObject([404, { status: 'error', errorType: 'not_found' }]);
  });
});

test('10,000 groups', async () => {
  const own = await startGateway({ redis: await startRedis(), args: ['--redis.expiration=0'] });
  const agent = keepAlive(16);
  let next = 0;
  const pushMany = async (): Promise<void> => {
    while (next < 10_000) {
      const i = next++;
      const path = `/metrics/job/job-${i % 100}/instance/host-${i}.example.com:9100/zone/eu`;
      const { status } = await own.push(path, 'rows_total 1\ntook_seconds 2\n', { agent });
      if (status !== 202) throw new Error(`push ${i} answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, pushMany));
  agent.destroy();
  const total = async (): Promise<number> =>
    (JSON.parse((await own.request('/api/v1/groups?limit=1')).text) as { data: Listed }).data.total;
  await expect.poll(total, { timeout: 20_000 }).toBe(10_000);

  const queries = [
    '/api/v1/groups',
    '/api/v1/groups?match[]={instance=~%22.*99.*%22}',
    '/',
    '/?q=99&page=2',
    '/?q={zone=~%22e.%22}',
  ];
  for (const path of queries) {
    const startedMs = performance.now();
    const { status, body } = await own.request(path);
    console.log(`10,000 groups, ${path}: ${(performance.now() - startedMs).toFixed(1)} ms, ${body.length} bytes`);
    expect(status).toBe(200);
    expect(body.length).toBeLessThan(100_000);
  }
}, 60_000);

// The last test, because it stops Redis.
test('everything is still served while Redis is not reachable', async () => {
  const before = names(await list());
  await redis.stop();
  expect(names(await list())).toEqual(before);
  await expect
    .poll(async () => (await gateway.request('/')).text, { timeout: 15_000 })
    .toContain('Redis is unreachable');
  expect(names(await list())).toEqual(before);
}, 30_000);
