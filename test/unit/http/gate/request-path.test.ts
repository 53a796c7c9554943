import { describe, expect, test } from 'vitest';
import { cleanUrl, unescapedUrl } from '../../../../shared/http/gate/request-path.ts';
import { rawRequest } from '../../../support/http/raw-request.ts';
import { startWeb } from '../../../support/http/web-server.ts';

// The official gateway redirects to these paths.
describe('cleanUrl', () => {
  test.for([
    ['/', '/'],
    ['//', '/'],
    ['/job/a', '/job/a'],
    ['/job/a/', '/job/a/'],
    ['/job/a//c', '/job/a/c'],
    ['/job/a/b/..', '/job/a'],
    ['/job/a/b/../', '/job/a/'],
    ['/job/a/b/.', '/job/a/b'],
    ['/job//', '/job/'],
    ['/../x', '/x'],
    ['/./', '/'],
    ['/.x/..y/...', '/.x/..y/...'],
    ['/job/%2E%2E/%2F', '/job/%2E%2E/%2F'],
    ['/job//a?x=//&y=/../', '/job/a?x=//&y=/../'],
    ['/job/a?x=//', '/job/a?x=//'],
    ['//host/path', '/host/path'],
    ['/job//%ff', '/job/%ff'],
    ['/job//%zz', '/job//%zz'],
    ['/job//%4', '/job//%4'],
  ] as const)('%s', ([url, clean]) => {
    expect(cleanUrl(url)).toBe(clean);
  });
});

describe('unescapedUrl', () => {
  test.for([
    ['/job/a', '/job/a'],
    ['/job%40base64/Zg%3D%3D', '/job@base64/Zg=='],
    ['/%6Aob/a%2Fb', '/job/a/b'],
    ['/job/a%20b+c', '/job/a%20b+c'],
    ['/job/%25%3f%23', '/job/%25%3F%23'],
    ['/job/%c3%a9%F0%9F%98%80', '/job/%C3%A9%F0%9F%98%80'],
    ['/job/%00%0A%22', '/job/%00%0A%22'],
    ['/job/"', '/job/"'],
    ['/job/a?x=%2F', '/job/a?x=%2F'],
    ['/job/%6A?x=%2F', '/job/j?x=%2F'],
    ['/job/%ff', '/job/%ff'],
    ['/job/%zz%41', '/job/%zz%41'],
    ['/job/100%', '/job/100%'],
  ] as const)('%s', ([url, unescaped]) => {
    expect(unescapedUrl(url)).toBe(unescaped);
  });

  test('decodes to the same path', () => {
    const path = '/job/%25%3f%23%2e%2E%40%c3%a9%00%20"|';
    expect(decodeURIComponent(unescapedUrl(path))).toBe(decodeURIComponent(path));
  });
});

test('a path that cannot be decoded is refused like others, and logged with its code', async () => {
  const web = await startWeb();
  for (const path of ['/metrics/job@base64/%%%', '/%ff', '/-/healthy/%']) {
    const text = `400 Bad Request: path "${path}" is not valid percent-encoded UTF-8`;
    const push = `PUT ${path} HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\n\r\na 1\n`;
    const next = 'GET /-/healthy HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n';
    const answers = await rawRequest(web.port, [push, next]);
    expect(answers.split('\r\n\r\n')).toEqual([
      expect.stringMatching(/^HTTP\/1\.1 400 /),
      expect.stringContaining(text),
      'OK',
    ]);
  }
  expect(web.log()).toMatch(
    /level=debug msg="request refused" method=PUT url=\/%ff status=400 code=path_invalid reason=/,
  );
});
