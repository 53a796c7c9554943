import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { request as send, type Answer } from '../support/request.ts';
import { whyNot } from './pair.ts';
import { pairOf } from './run-case.ts';
import { put } from './step.ts';

// What a scraper may ask for, and how the rest is labelled: headers, as far as a client could notice.

const P = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily';

describe.for(['latest', '1.5.1'] as const)('like the official gateway, %s', (release) => {
  const pair = pairOf(release);

  beforeAll(async () => {
    if (!whyNot(release)[0]) await pair().send(put('/job/j', '# HELP a x\n# TYPE a gauge\na 1\n'));
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
    `${P};encoding=unknown`,
    P,
    'application/vnd.google.protobuf',
    `text/plain;version=0.0.4;q=0.5,${P};encoding=delimited;q=0.9`,
    `text/plain;version=0.0.4,${P};encoding=delimited;q=0.9`,
    `${P};encoding=delimited;q=0.5,text/plain;version=0.0.4;q=0.5`,
    'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5',
    'application/openmetrics-text;version=1.0.0',
    'text/plain;version=1.0.0',
    'text/plain;q=0',
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
    // Newer releases say how names that are no legacy names would be escaped.
    const type = (answer: Answer): string => (answer.headers['content-type'] ?? '').replace(/; escaping=.*/, '');
    expect(type(ours)).toBe(type(official));
  });

  test.for(['gzip', 'gzip, deflate', 'identity', 'br', 'deflate', 'gzip;q=0.5', ''])(
    'Accept-Encoding: %s',
    async (encoding, { skip }) => {
      skip(...whyNot(release));
      const [ours, official] = await both('/metrics', { 'accept-encoding': encoding });
      expect(ours.headers['content-encoding']).toBe(official.headers['content-encoding']);
      const text = ours.headers['content-encoding'] === 'gzip' ? gunzipSync(ours.body).toString() : ours.text;
      expect(text).toContain('a{instance="",job="j"} 1\n');
    },
  );

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
