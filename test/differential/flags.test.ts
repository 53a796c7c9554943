import { describe, expect, test } from 'vitest';
import { ESCAPING_SCHEMES } from '../../shared/exposition/openmetrics/escape-names.ts';
import { eventually } from '../support/eventually.ts';
import { startOfficialLatest } from '../support/servers/official.ts';
import { request as send } from '../support/http/request.ts';
import type { Case } from './harness/cases.ts';
import { answerDifference, Pair, whyNot } from './harness/pair.ts';
import { encodeFamilies, TYPES } from './harness/protobuf.ts';
import { pairOf, runCase } from './harness/run-case.ts';
import { del, get, post, PROTOBUF, put, request } from './harness/step.ts';

// As cases.test.ts, with flags that the official gateway also has.

const A = 'a 1\n';
const J = '/job/j';

describe.for(['latest', '1.5.1'] as const)('%s: --push.disable-consistency-check', (release) => {
  const pair = pairOf(release, { flags: ['--push.disable-consistency-check'] });
  test.for<Case>([
    ['a push', put(J, A)],
    ['a timestamp is accepted, not applied, and a failure', put(J, A), put(J, 'b 1 1\n'), put('/job/k', 'b 1 0\n')],
    ['what is malformed is refused', put(J, 'no metric'), put(J, A), post(J, 'a\n')],
    ['a bad path', put(`${J}/a/b/c`, A), put(`${J}/__a/b`, A)],
    ['POST, DELETE', put(J, 'a 1\nb 1\n'), post(J, 'b 2\n'), put('/job/k', A), del('/job/k')],
    ['a success after a failure', put(J, 'a 1 1\n'), put(J, A)],
    ['other helps', put(J, '# HELP a x\na 1\n'), put('/job/k', '# HELP a y\na 1\n')],
  ])('%s', async (one, { skip }) => {
    skip(...whyNot(release));
    await runCase(pair(), one);
  });
});

describe('latest: --push.enable-utf8-names', () => {
  const pair = pairOf('latest', { flags: ['--push.enable-utf8-names'] });
  const dotted = {
    name: 'a.b',
    type: TYPES.gauge,
    metric: [{ gauge: { value: 1 }, label: [{ name: 'x.y', value: '1' }] }],
  };
  test.for<Case>([
    ['a legacy push', put(`${J}/x/1`, 'a{y="2"} 1\n')],
    ['a quoted name', put(J, '{"a.b"} 1\n')],
    ['a quoted name with labels', put(J, '{"a.b",x="1","y.z"="2"} 1\n')],
    ['a quoted label', put(J, 'a{"x.y"="1"} 1\n')],
    ['TYPE and HELP of a quoted name', put(J, '# HELP "a.b" text\n# TYPE "a.b" gauge\n{"a.b"} 1\n')],
    ['a quoted summary', put(J, '# TYPE "s.s" summary\n{"s.s",quantile="0.5"} 1\n{"s.s_sum"} 2\n{"s.s_count"} 3\n')],
    [
      'a quoted histogram',
      put(J, '# TYPE "h.h" histogram\n{"h.h_bucket",le="0.5"} 1\n{"h.h_sum"} 2\n{"h.h_count"} 3\n'),
    ],
    ['any UTF-8 in names', put(J, '{"é日😀 \\"q\\\\",", x"="1"} 1\n')],
    ['names without quotes', put(J, 'a.b 1\n'), put(J, 'é 1\n'), put(J, 'a{x.y="1"} 1\n')],
    ['an escaped label name in the path', put(`${J}/U__x_2e_y/1`, A), post(`${J}/U__x_2e_y/1`, 'b 1\n')],
    ['an escaped label name that is legacy', put(`${J}/U__x__y/1`, A), put(`${J}/x_y/1`, 'b 1\n')],
    ['an escaped label name with base64', put(`${J}/U__x_2e_y@base64/MQ`, A)],
    ['a label name with a dot in the path', put(`${J}/x.y/1`, A), put(`${J}/%C3%A9/1`, 'b 1\n')],
    [
      'invalid escapes',
      put(`${J}/U__x_zz_y/1`, A),
      put(`${J}/U__x_2e/1`, A),
      put(`${J}/U__/1`, A),
      put(`${J}/U__x_d800_/1`, A),
    ],
    ['reserved names', put(`${J}/__x/1`, A), put(`${J}/U____x/1`, A), put(J, 'a{"__x"="1"} 1\n')],
    ['the grouping label overrides', put(`${J}/U__x_2e_y/1`, 'a{"x.y"="2"} 1\n')],
    ['DELETE', put(`${J}/U__x_2e_y/1`, A), del(`${J}/x.y/1`)],
    ['protobuf', put(J, encodeFamilies(dotted), PROTOBUF)],
    ['types against each other', put(J, '# TYPE "a.b" gauge\n{"a.b"} 1\n'), put('/job/k', '{"a.b"} 1\n')],
    ['duplicates across groups', put(`${J}/U__x_2e_y/1`, A), put(J, 'a{"x.y"="1"} 1\n')],
  ])('%s', async (one, { skip }) => {
    skip(...whyNot('latest'));
    await runCase(pair(), one, { protobuf: true });
  });

  // The official gateway does not escape the colon, and Prometheus refuses the whole scrape: expected equal, got
  // "INVALID".
  test.for([
    ['allow-utf-8', 'a{instance="",job="j","x:y"="1"} 1'],
    ['underscores', 'a{instance="",job="j",x_y="1"} 1'],
    ['dots', 'a{instance="",job="j",x__y="1"} 1'],
    ['values', 'a{instance="",job="j",U__x_3a_y="1"} 1'],
  ] as const)('a label name with a colon, escaping=%s', async ([scheme, line], { skip }) => {
    skip(...whyNot('latest'));
    const both = pair();
    await both.wipe();
    await both.sendToOurs(put(J, 'a{"x:y"="1"} 1\n'), true);
    const { url } = both.ours;
    const accept = `text/plain;escaping=${scheme}`;
    expect((await send(url, '/metrics', { headers: { accept } })).text).toContain(`\n${line}\n`);
    expect((await send(url, '/api/v1/metrics')).text).toContain('"labels":{"instance":"","job":"j","x:y":"1"}');
  });

  test.for(['', ...ESCAPING_SCHEMES])('names in a scrape with escaping=%s', async (scheme, { skip }) => {
    skip(...whyNot('latest'));
    const both = pair();
    await both.wipe();
    await both.send(put(J, '# TYPE "a.b_c" gauge\n{"a.b_c","x.y_z"="1",v_w="2"} 1\nd_e{f_g="1"} 2\n{"1é:-"} 3\n'));
    const accept = scheme === '' ? 'text/plain' : `text/plain;escaping=${scheme}`;
    const scrape = async ({ url }: { url: string }): Promise<string[]> => {
      const { text } = await send(url, '/metrics', { headers: { accept } });
      return text
        .split('\n')
        .filter((line) => line !== '' && !/^(?:# \w+ )?(?:go|process|promhttp|push\w*)_/.test(line));
    };
    const shown = await scrape(both.ours);
    expect(shown).toHaveLength(6);
    expect(shown.toSorted()).toEqual((await scrape(both.official)).toSorted());
  });
});

describe.for([
  ['--web.route-prefix=/pre/fix', '/pre/fix'],
  ['--web.route-prefix=pre/', '/pre'],
  ['--web.external-url=https://example.org/ext/', '/ext'],
] as const)('latest: %s', ([flag, prefix]) => {
  const pair = pairOf('latest', { flags: [flag], prefix });
  const at = (method: string, path: string, body = ''): Case[1] => request(method, `${prefix}${path}`, body);
  test.for<Case>([
    ['a push', at('PUT', '/metrics/job/j/x/1', A), at('POST', '/metrics/job/j/x/1', 'b 1\n')],
    ['DELETE', at('PUT', '/metrics/job/j', A), at('DELETE', '/metrics/job/j')],
    [
      'outside the prefix',
      put(J, A),
      get('/metrics'),
      get('/-/healthy'),
      get('/api/v1/status'),
      get('/status'),
      put('/prefix/job/j', A),
    ],
    [
      'probes and pages',
      at('GET', '/-/healthy'),
      at('GET', '/-/ready'),
      at('GET', '/status'),
      at('GET', '/'),
      at('GET', '/api/v1/status'),
    ],
    ['/-/quit', at('PUT', '/-/quit'), at('GET', '/nothing')],
    [
      'redirects',
      at('PUT', '//metrics/job/j', A),
      at('PUT', '/metrics/job/a//b', A),
      at('GET', '/metrics/'),
      request('PUT', `/${prefix}/metrics/job/j`, A),
    ],
    ['base64 and escapes', at('PUT', '/metrics/job@base64/YQ', A), at('PUT', '/metrics/job%40base64/Yg', A)],
  ])('%s', async (one, { skip }) => {
    skip(...whyNot('latest'));
    await runCase(pair(), one);
  });
});

describe('latest: --web.telemetry-path', () => {
  const pair = pairOf('latest', { flags: ['--web.telemetry-path=/shown'], admin: false });
  test('moves the scrapes, not the pushes', async ({ skip }) => {
    skip(...whyNot('latest'));
    for (const step of [put(J, A), get('/metrics'), get('/shown'), request('PUT', '/shown/job/j', A)]) {
      expect(answerDifference(step, ...(await pair().send(step)))).toBeUndefined();
    }
    const shown = await pair().send(get('/shown'));
    for (const { text } of shown) expect(text).toContain('a{instance="",job="j"} 1\n');
  });

  test('without --web.enable-admin-api there is no wipe', async ({ skip }) => {
    skip(...whyNot('latest'));
    for (const method of ['PUT', 'POST', 'GET']) {
      const step = request(method, '/api/v1/admin/wipe');
      expect(answerDifference(step, ...(await pair().send(step)))).toBeUndefined();
    }
  });
});

test.for(['PUT', 'POST'])('latest: --web.enable-lifecycle: %s /-/quit', async (method, { skip }) => {
  skip(...whyNot('latest'));
  const flags = ['--web.enable-lifecycle'];
  const pair = await Pair.start('latest', { flags });
  for (const step of [get('/-/quit'), request('DELETE', '/-/quit')]) {
    expect(answerDifference(step, ...(await pair.send(step)))).toBeUndefined();
  }
  // The official gateway may end before its answer is sent: then the test starts another one.
  const quit = request(method, '/-/quit');
  const ours = await pair.sendToOurs(quit);
  const official = await eventually(async () => send((await startOfficialLatest(flags)).url, quit.path, { method }));
  expect(answerDifference(quit, ours, { ...official, location: undefined })).toBeUndefined();
  expect(ours.text).toBe(official.text);
  expect(await pair.ours.process.waitForExit()).toEqual({ code: 0, signal: null });
});
