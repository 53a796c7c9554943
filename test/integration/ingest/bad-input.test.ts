import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { sampleLines } from '../../support/metrics-text.ts';
import { rawRequest } from '../../support/http/raw-request.ts';
import { startRedis, type RedisServer } from '../../support/redis/server.ts';
import { applied, type RequestOptions } from '../../support/http/request.ts';

// Invalid input is refused with a 4xx and one line of text, leaves no trace, and does not affect other clients.

const MAX_BODY = 4_096;
let redis: RedisServer;
let gateway: Gateway;

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGateway({
    redis,
    args: [`--push.max-body-bytes=${MAX_BODY}`, '--push.max-inflight-bytes=8192'],
  });
  await gateway.push('/metrics/job/other', 'other 1\n', applied);
});

let count = 0;
beforeEach(() => count++);

afterEach(async () => {
  // This push comes after the refused one in the log. If the refused one had been stored, it would be visible now.
  expect((await gateway.push('/metrics/job/next', `next ${count}\n`, applied)).status).toBe(200);
  expect(sampleLines(await gateway.scrape())).toEqual([
    `next{instance="",job="next"} ${count}`,
    'other{instance="",job="other"} 1',
  ]);
});

async function refused(path: string, options: RequestOptions, status: number, reason: RegExp | string): Promise<void> {
  const answer = await gateway.request(path, options);
  expect(answer, answer.text).toMatchObject({ status });
  expect(answer.text).toMatch(/^[^\n]+\n$/);
  expect(answer.text).toMatch(reason);
  expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
}

describe.for(['PUT', 'POST'])('%s: an invalid body is refused with the line and reason', (method) => {
  test.for([
    ['no value', 'm 1\nm{\n', /line 2: .*label name/],
    ['a label without quotes', 'a 1\nb 2\nm{a=b} 1\n', /line 3: .*expected '"'/],
    ['no number', 'm one\n', /line 1: expected float as value, got "one"/],
    ['an invalid name', '0m 1\n', /line 1: invalid metric name/],
    ['no newline at the end', 'm 1', /line 1: unexpected end of input stream/],
    ['CRLF', 'm 1\r\n', /line 1: /],
    ['an invalid type', '# TYPE m thing\nm 1\n', /line 1: unknown metric type "thing"/],
    ['a second TYPE', '# TYPE m gauge\nm 1\n# TYPE m gauge\n', /line 3: /],
    ['HTML', '<html>\n', /line 1: /],
    ['bytes that are not UTF-8', Buffer.from('m{a="\xff"} 1\n', 'latin1'), /UTF-8/i],
    ['UTF-16', Buffer.from('m 1\n', 'utf16le'), /line 1: /],
    ['gzip without a Content-Encoding', Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 0xce]), /./],
  ] as const)('%s', async ([, body, reason]) => {
    await refused('/metrics/job/bad', { method, body }, 400, reason);
    await refused('/ingest', { method: 'POST', body }, 400, reason);
  });
});

describe('inconsistent content', () => {
  test.for([
    ['a timestamp', 'm 1 1600000000000\n', /must not have timestamps/],
    ['the same series twice', 'm{a="1"} 1\nm{a="1"} 2\n', /collected before with the same name and label values/],
  ] as const)('%s', async ([, body, reason]) => {
    await refused('/ingest', { method: 'POST', body }, 400, reason);
  });
});

describe('an invalid group path', () => {
  test.for([
    ['/metrics/job@base64/', 404, '404 page not found'],
    ['/metrics/job/%2Fa/b', 400, 'job name is required'],
    ['/metrics/job@base64/=', 400, 'job name is required'],
    ['/metrics/job/j/a/b/c', 400, 'odd number of components'],
    ['/metrics/job/j/__a/b', 400, 'improper label name "__a"'],
    ['/metrics/job/j/0/b', 400, 'improper label name "0"'],
    ['/metrics/job/j/a@base64/a+b', 400, 'invalid base64 encoding'],
    ['/metrics/job/a%2Fb', 400, 'odd number of components'],
    ['/metrics/job/%ff', 400, 'is not valid percent-encoded UTF-8'],
    ['/metrics/job/%zz', 400, '400 Bad Request: path "/metrics/job/%zz" is not valid percent-encoded UTF-8'],
    ['/metrics/job@base64/%%%', 400, 'path "/metrics/job@base64/%%%" is not valid percent-encoded UTF-8'],
    ['/metrics/job', 404, '404 page not found'],
    ['/metrics/instance/i', 404, '404 page not found'],
    ['/metric/job/j', 404, '404 page not found'],
  ] as const)('%s', async ([path, status, reason]) => {
    await refused(path, { method: 'PUT', body: 'm 1\n' }, status, reason);
    await refused(path, { method: 'DELETE' }, status, reason);
  });
});

describe('an invalid TTL', () => {
  test.for(['soon', '-1s', '5', '', '1d'])('%j', async (ttl) => {
    await refused(`/metrics/job/bad?ttl=${ttl}`, { method: 'PUT', body: 'm 1\n' }, 400, 'ttl');
    await refused('/ingest', { method: 'POST', body: 'm 1\n', headers: { 'pushgateway-ttl': ttl } }, 400, /ttl/i);
  });
});

describe('a body that is too long', () => {
  const long = `m{a="${'x'.repeat(2 * MAX_BODY)}"} 1\n`;

  test('is refused because of its announced length, before it is sent', async () => {
    const head = `PUT /metrics/job/bad HTTP/1.1\r\nHost: h\r\nContent-Length: ${MAX_BODY + 1}\r\n\r\n`;
    const answer = await rawRequest(gateway.port, [head], { until: /bytes/ });
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toMatch(new RegExp(`larger than ${MAX_BODY} bytes`));
  });

  test.for(['/metrics/job/bad', '/ingest'])('%s: 413 with a Content-Length', async (path) => {
    await refused(path, { method: 'POST', body: long }, 413, `larger than ${MAX_BODY} bytes`);
  });

  test.for(['/metrics/job/bad', '/ingest'])('%s: 413 in chunks', async (path) => {
    const head = `POST ${path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const chunk = `400\r\n${'x'.repeat(1_024)}\r\n`;
    const answer = await rawRequest(gateway.port, [head, ...Array.from({ length: 8 }, () => chunk), '0\r\n\r\n'], {
      until: /bytes/,
    });
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('a body of the maximum length is accepted', async () => {
    const body = `next{a="${'x'.repeat(MAX_BODY)}`.slice(0, MAX_BODY - 5) + '"} 1\n';
    expect(Buffer.byteLength(body)).toBe(MAX_BODY);
    expect((await gateway.push('/metrics/job/next', body, applied)).status).toBe(200);
  });
});

describe('a body that is cut short', () => {
  const cases = {
    length: 'PUT /metrics/job/bad HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nm 1\n',
    'length, /ingest': 'POST /ingest HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nm 1\n',
    chunks: 'PUT /metrics/job/bad HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nm 1\n\r\n',
    'a chunk': 'PUT /metrics/job/bad HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nm 1\n',
  };
  for (const ending of ['end', 'destroy'] as const) {
    test.for(Object.entries(cases))(`%s, then ${ending}`, async ([, bytes]) => {
      const answer = await rawRequest(gateway.port, [bytes], { ending });
      if (answer !== '') expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    });
  }

  test('its memory is released', async () => {
    for (let i = 0; i < 5; i++) await rawRequest(gateway.port, [cases.length], { ending: 'destroy' });
    await expect.poll(async () => gateway.telemetry()).toMatch(/^pushgateway_inflight_bytes 0$/m);
  });
});

test('more than --push.max-inflight-bytes in flight: 429, and later pushes are accepted', async () => {
  const body = 'x'.repeat(3_000);
  const head = `PUT /metrics/job/bad HTTP/1.1\r\nHost: h\r\nContent-Length: 3001\r\n\r\n`;
  // Received bytes count, not announced ones.
  const slow = [head, head + body, head + body].map(async (sent) => {
    await rawRequest(gateway.port, [sent], { ending: 'wait', timeoutMs: 300 }).catch(String);
  });
  await expect.poll(async () => gateway.telemetry()).toMatch(/^pushgateway_inflight_bytes 6000$/m);
  await refused('/metrics/job/bad', { method: 'PUT', body }, 429, 'too many pushes');
  await Promise.all(slow);
  await expect.poll(async () => gateway.telemetry()).toMatch(/^pushgateway_inflight_bytes 0$/m);
});

describe('an unknown path or method', () => {
  test.for(['/nothing', '/ingest/x', '/-/', '/metrics/job'])('GET %s: 404', async (path) => {
    await refused(path, {}, 404, '404 page not found');
  });

  test.for([
    ['PUT', '/metrics', 'GET, OPTIONS'],
    ['DELETE', '/metrics', 'GET, OPTIONS'],
    ['GET', '/metrics/job/j', 'DELETE, OPTIONS, POST, PUT'],
    ['PATCH', '/metrics/job/j', 'DELETE, OPTIONS, POST, PUT'],
    ['GET', '/ingest', 'OPTIONS, POST'],
    ['PUT', '/ingest', 'OPTIONS, POST'],
    ['DELETE', '/ingest', 'OPTIONS, POST'],
    ['POST', '/-/healthy', 'GET, OPTIONS'],
    ['POST', '/-/ready', 'GET, OPTIONS'],
    ['POST', '/telemetry', 'GET, OPTIONS'],
  ] as const)('%s %s: 405', async ([method, path, allow]) => {
    await refused(path, { method }, 405, 'Method Not Allowed');
    expect((await gateway.request(path, { method })).headers.allow).toBe(allow);
  });

  test('OPTIONS lists the methods', async () => {
    const answer = await gateway.request('/metrics/job/j', { method: 'OPTIONS' });
    expect(answer).toMatchObject({ status: 200, text: '', headers: { allow: 'DELETE, OPTIONS, POST, PUT' } });
  });

  test.for([
    ['GET', '/metrics/', 301, '/metrics'],
    ['GET', '/METRICS?x=y', 301, '/metrics?x=y'],
    ['GET', '//-/./healthy', 301, '/-/healthy'],
    ['PUT', '/Metrics/Job/J/x/Y', 307, '/metrics/job/J/x/Y'],
    ['PUT', '/metrics/job/a//b?ttl=1m', 301, '/metrics/job/a/b?ttl=1m'],
    ['DELETE', '/metrics/job/a/..', 301, '/metrics/job'],
    ['PUT', '/metrics/job/', 307, '/metrics/job'],
  ] as const)('%s %s: %i to %s', async ([method, path, status, location]) => {
    const answer = await gateway.request(path, { method, body: 'bad 1\n' });
    expect(answer).toMatchObject({ status, headers: { location } });
  });

  test.for(['/metrics', '/metrics/job/j', '/-/healthy', '/telemetry'])('HEAD %s: 405', async (path) => {
    expect(await gateway.request(path, { method: 'HEAD' })).toMatchObject({ status: 405, text: '' });
  });

  test.for([
    ['no HTTP', 'hello\r\n\r\n'],
    ['an unknown method', 'BREW /metrics HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['a bad Content-Length', 'PUT /metrics/job/bad HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n'],
    ['two lengths', 'PUT /metrics/job/bad HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nm 1\n'],
    [
      'a length and chunks',
      'PUT /metrics/job/bad HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nm 1\n',
    ],
  ] as const)('%s: 400', async ([, bytes]) => {
    expect(await rawRequest(gateway.port, [bytes])).toMatch(/^HTTP\/1\.1 400 /);
  });
});

test('no refused push has reached Redis', async () => {
  const keys = (await redis.cli('KEYS', 'pgw:{*}:group:*')).split('\n').filter((key) => key !== '');
  expect(keys).toHaveLength(2);
});
