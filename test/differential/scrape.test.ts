import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { request as send, type Answer } from '../support/http/request.ts';
import { whyNot } from './harness/pair.ts';
import { pairOf } from './harness/run-case.ts';
import { encodeFamily } from '../../shared/exposition/protobuf/codec.ts';
import type { Family } from '../../shared/model/metric-family.ts';
import { PROTOBUF, put } from './harness/step.ts';

// Content negotiation of scrapes, and the headers of other answers, as far as clients can notice a difference.

const P = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily';

const EVERY_TYPE = `# HELP a x "é" \\\\ \\n
# TYPE a gauge
a 1
# TYPE b counter
b{x="\\"\\\\\\n\t\x01\x7f\u0085é😀"} 1e20
c -Inf
# TYPE d summary
d{quantile="0.5"} NaN
d_sum 2
d_count 3
# TYPE e histogram
e_bucket{le="1"} 1
e_bucket{le="+Inf"} 2
e_sum 0.00001
e_count 2
`;

const NATIVE: Family = {
  name: 'native',
  help: '',
  type: 'histogram',
  metrics: [
    {
      labels: [['a', 'b']],
      buckets: [],
      sampleCount: 7,
      sampleSum: 12.5,
      created: { seconds: 1_700_000_000, nanos: 9 },
      native: {
        schema: 2,
        zeroThreshold: 0.001,
        zeroCount: 1,
        negativeSpans: [[-1, 1]],
        negativeDeltas: [2],
        negativeCounts: [],
        positiveSpans: [
          [0, 2],
          [1, 1],
        ],
        positiveDeltas: [1, 1, -1],
        positiveCounts: [],
        exemplars: [{ labels: [['t', 'u']], value: 1.5, timestamp: { seconds: 9, nanos: 0 } }],
      },
    },
  ],
};

describe.for(['latest', '1.5.1'] as const)('like the official gateway, %s', (release) => {
  const pair = pairOf(release);

  beforeAll(async () => {
    if (whyNot(release)[0]) return;
    await pair().send(put('/job/j', EVERY_TYPE));
    await pair().send(put('/job/k', encodeFamily(NATIVE), PROTOBUF));
  });

  async function both(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<[Answer, Answer]> {
    const ask = async ({ url }: { url: string }): Promise<Answer> => await send(url, path, { headers, method });
    return await Promise.all([ask(pair().ours), ask(pair().official)]);
  }

  test.for([
    '',
    '*/*',
    'text/plain',
    'text/html',
    'application/json',
    `${P};encoding=delimited`,
    `${P};encoding=text`,
    `${P};encoding=compact-text`,
    `${P};encoding=text;q=0.2,${P};encoding=compact-text;q=0.3`,
    `text/plain;version=0.0.5,${P};encoding=text;q=0.2`,
    `${P};encoding=unknown`,
    `${P};encoding="delimited"`,
    `${P};ENCODING=delimited`,
    `${P.toUpperCase()};encoding=delimited`,
    `${P};encoding=delimited;q=0`,
    `${P};encoding=delimited;q=0.0,text/plain;q=0`,
    `${P};encoding=delimited;q=`,
    `${P};encoding=delimited;q=x,text/plain;q=0`,
    `${P};encoding=delimited;q = 0.5,text/plain`,
    `${P};encoding=delimited;q=1.5,text/plain`,
    `*/*;q=0.9,${P};encoding=delimited;q=0.1`,
    `text/plain;q=0.1,*/*,${P};encoding=delimited;q=0.1`,
    `text/*,${P};encoding=delimited`,
    `,, ${P};encoding=delimited `,
    `a/b/c,${P};encoding=delimited`,
    P,
    'application/vnd.google.protobuf',
    `text/plain;version=0.0.4;q=0.5,${P};encoding=delimited;q=0.9`,
    `text/plain;version=0.0.4,${P};encoding=delimited;q=0.9`,
    `${P};encoding=delimited;q=0.5,text/plain;version=0.0.4;q=0.5`,
    'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5',
    'application/openmetrics-text;version=1.0.0',
    'text/plain;version=1.0.0',
    'text/plain;q=0',
    ...['underscores', 'dots', 'values', 'allow-utf-8', 'bogus', 'Dots'].map(
      (scheme) => `text/plain;escaping=${scheme}`,
    ),
    `${P};encoding=delimited;escaping=dots`,
    'text/html;escaping=dots',
    `text/*;escaping=dots,${P};encoding=delimited`,
    `*/*;escaping=dots,application/*;escaping=values;q=0.5,${P};encoding=delimited;q=0.1`,
    'application/json;escaping=dots,text/plain;escaping=values',
    'text/plain;q=0.1,application/json;escaping=dots;q=0.5',
    'no media type;;;',
    // Prometheus 2 and 3, with and without native histograms.
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    `${P};encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`,
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1',
    `${P};encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1`,
  ])('Accept: %s', async (accept, { skip }) => {
    skip(...whyNot(release));
    const [ours, official] = await both('/metrics', { accept });
    expect(ours.status).toBe(official.status);
    // Newer releases state how UTF-8 names would be escaped.
    const type = ({ headers }: Answer): string => {
      const said = headers['content-type'] ?? '';
      return release === 'latest' ? said : said.replace(/; escaping=.*/, '');
    };
    expect(type(ours)).toBe(type(official));
  });

  // 1.5.1 does not support native histograms.
  test.for(release === 'latest' ? ['text', 'compact-text'] : [])('protobuf as %s', async (encoding, { skip }) => {
    skip(...whyNot(release));
    const [ours, official] = await both('/metrics', { accept: `${P};encoding=${encoding}` });
    const shown = familiesOf(ours.text, encoding);
    expect(shown.size).toBe(8);
    for (const [name, family] of familiesOf(official.text, encoding)) expect(shown.get(name), name).toBe(family);
  });

  // 1.5.1 only searches for the word gzip.
  const manyEncodings = [
    'GZIP',
    '*',
    '*;q=0',
    'gzip,identity',
    'identity;q=0.5,gzip;q=0.4',
    'identity;q=0.4, gzip;q=0.5',
    'identity;q=0',
    'gzip;q=0,*',
    'gzip ; q=0.5',
    'gzip;q=2',
    'gzip;level=1',
    'gzip;q=0.5 deflate',
    'deflate, gzip;q=x',
    ',gzip',
  ];
  test.for([
    'gzip',
    'gzip, deflate',
    'identity',
    'br',
    'deflate',
    'gzip;q=0.5',
    '',
    ...(release === 'latest' ? manyEncodings : []),
  ])('Accept-Encoding: %s', async (encoding, { skip }) => {
    skip(...whyNot(release));
    const [ours, official] = await both('/metrics', { 'accept-encoding': encoding });
    expect(ours.headers['content-encoding']).toBe(official.headers['content-encoding']);
    const text = ours.headers['content-encoding'] === 'gzip' ? gunzipSync(ours.body).toString() : ours.text;
    expect(text).toContain('a{instance="",job="j"} 1\n');
  });

  test.for([
    ['GET', '/api/v1/metrics'],
    ['GET', '/api/v1/status'],
    ['OPTIONS', '/api/v1/metrics'],
  ] as const)('headers of %s %s', async ([method, path], { skip }) => {
    skip(...whyNot(release));
    const [ours, official] = await both(path, {}, method);
    expect(ours.status).toBe(official.status);
    const names = Object.keys(official.headers).filter((name) => /^access-control|^cache-control/.test(name));
    expect(names.length).toBeGreaterThan(4);
    for (const name of names) expect(ours.headers[name], name).toBe(official.headers[name]);
    if (method === 'GET') expect(ours.headers['content-type']).toBe(official.headers['content-type']);
  });

  test.for([
    ['GET', '/metrics/job/j'],
    ['OPTIONS', '/metrics/job/j'],
    ['DELETE', '/-/quit'],
    ['HEAD', '/metrics'],
    ['GET', '/metrics/'],
    ['HEAD', '/metrics/'],
    ['GET', '/status/?a=b&c="<'],
    ['PUT', '/metrics/job/'],
    ['OPTIONS', '/api/v1/metrics'],
    ['OPTIONS', '/api/v1/nothing'],
  ] as const)('the Allow header of %s %s', async ([method, path], { skip }) => {
    skip(...whyNot(release));
    const [ours, official] = await both(path, {}, method);
    const shown = ({ status, text, headers }: Answer): unknown[] => [
      status,
      text,
      ...['allow', 'location', 'content-type'].map((name) => headers[name]),
    ];
    expect(shown(ours)).toEqual(shown(official));
  });

  test('/api/v1/status', async ({ skip }) => {
    skip(...whyNot(release));
    const [ours, official] = await both('/api/v1/status');
    interface Status {
      status: string;
      data: { flags: Record<string, unknown>; start_time: string; build_information: Record<string, unknown> };
    }
    const [a, b] = [JSON.parse(ours.text) as Status, JSON.parse(official.text) as Status];
    expect(a.status).toBe(b.status);
    expect(Object.keys(a.data).toSorted()).toEqual(Object.keys(b.data).toSorted());
    expect(Object.keys(a.data.build_information)).toEqual(
      expect.arrayContaining(Object.keys(b.data.build_information)),
    );
    for (const flag of Object.values(a.data.flags)) expect(flag).toBeTypeOf('string');
    expect(Math.abs(Date.now() - Date.parse(a.data.start_time))).toBeLessThan(120_000);
  });

  test.for(['/nothing', '/metrics/job/j/a', '/-/healthy', '/-/ready'])('the text of %s', async (path, { skip }) => {
    skip(...whyNot(release));
    const [ours, official] = await both(path, {}, path.includes('job') ? 'PUT' : 'GET');
    expect(ours.status).toBe(official.status);
    expect(ours.text.trim()).toBe(official.text.trim());
    expect(ours.headers['content-type']).toBe(official.headers['content-type']);
  });
});

/** The pushed families by name, without what Go's encoder adds by chance, and without push times. */
function familiesOf(text: string, encoding: string): Map<string, string> {
  const families = new Map<string, string>();
  for (const family of text.split(encoding === 'text' ? '\n\n' : '\n')) {
    const oneBlank = encoding === 'text' ? family.replaceAll(/(: {1,2})(?=\S)/g, ': ') : family.replaceAll('  ', ' ');
    const [, name = ''] = /^name: ?"([^"]*)"/.exec(oneBlank) ?? [];
    if (name === '' || /^(?:go|process|promhttp|pushgateway)_/.test(name)) continue;
    families.set(name, name.startsWith('push_') ? oneBlank.replaceAll(/(?<=value: ?)[0-9.e+]+/g, 'T') : oneBlank);
  }
  return families;
}
