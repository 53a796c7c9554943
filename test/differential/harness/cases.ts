/**
 * One line for each fact about the official gateway: the requests that show it. What is right is what a running
 * official gateway answers and shows (see cases.test.ts), so a case has no expectation of its own.
 */
import { del, get, gzip, GZIP, post, put, raw, request, SNAPPY, type Step } from './step.ts';

export type Case = readonly [name: string, ...steps: readonly Step[]];
export type Section = readonly [name: string, cases: readonly Case[]];

const A = 'a 1\n';
const J = '/job/j';
/** Base64url of its UTF-8. */
const b64 = (text: string): string => Buffer.from(text).toString('base64url');
const chunked = (path: string, ...chunks: string[]): string =>
  `PUT ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n` +
  chunks.map((chunk) => `${Buffer.byteLength(chunk).toString(16)}\r\n${chunk}\r\n`).join('') +
  '0\r\n\r\n';

// prettier-ignore
const paths: readonly Case[] = [
  ['a job', put(J, A)],
  ['a job and labels', put(`${J}/x/1/y/2`, A)],
  ['the order of labels does not matter', put(`${J}/x/1/y/2`, A), post(`${J}/y/2/x/1`, 'b 1\n')],
  ['a slash after the job', put(`${J}/`, A)],
  ['a slash after the job is the same group', put(J, A), del(`${J}/`)],
  ['a name without a value is the empty value', put(`${J}/a/`, A)],
  ['a base64 name without a value is the empty value', put(`${J}/a@base64/`, A)],
  ['a base64 value of "="', put(`${J}/a@base64/=`, A)],
  ['an empty value is another group than none', put(`${J}/a/`, A), put(J, 'b 1\n')],
  ['an empty value in the middle, as base64', put(`${J}/a@base64/=/b/1`, A)],
  ['a slash after a value is one component too many', put(`${J}/a/b/`, A)],
  ['a name without a value and without a slash', put(`${J}/a`, A)],
  ['three components', put(`${J}/a/b/c`, A)],
  ['DELETE with an odd number', del(`${J}/a/b/c`)],
  ['a redirect for //, nothing is applied', put('/job//j', A), put(`${J}//a/b`, A), put(`${J}/a//b`, A)],
  ['a redirect for // at the end', put(`${J}//`, A), put(`${J}/a/b//`, A)],
  ['a redirect for . and ..', put(`${J}/./k`, A), put(`${J}/../k`, A), put(`${J}/a/..`, A), put(`${J}/.`, A)],
  ['a redirect for // before and within /metrics', request('PUT', '//metrics/job/j', A), put('//job/j', A)],
  ['a redirect of POST and DELETE', post('/job//j', A), del('/job//j'), del(`${J}/../k`)],
  ['a redirect keeps the query', put('/job//j?x=y', A), get('//metrics?x=y')],
  ['a redirect of GET', get('//metrics'), get('/./metrics'), get('/x/../status'), get('//-/healthy'), get('/api//v1/status')],
  ['dots that belong to a value are no redirect', put('/job/...', A), put('/job/j/a/.b', A), put('/job/j/a/..b.', A)],
  ['a trailing slash on paths without one', get('/metrics/'), get('/status/'), put('/job/', A), del('/job/')],
  ['no job', put('/job', A), put('/job@base64', A), del('/job')],
  ['not a job', put('/instance/i', A), put('/jobs/j', A), request('PUT', '/metric/job/j', A), put('/job@base32/x', A)],
  ['a plus is a plus', put('/job/a+b/x/c+d', A), del('/job/a+b/x/c+d')],
  ['a plus in the path and a space are two groups', put('/job/a+b', A), put('/job/a%20b', A)],
  ['%20 is a space', put('/job/a%20b/x/%20', A)],
  ['%2B is a plus', put('/job/a+b', A), del('/job/a%2Bb')],
  ['%2F splits the path', put('/job/a%2Fb', A), put('/job/a%2Fb%2Fc', A), put('/job/j/a%2Fb', A)],
  ['%2f too', put('/job/a%2fb%2fc', A)],
  ['%2F within a value: one component too many', put(`${J}/a/b%2Fc`, A)],
  ['%25 is a percent', put('/job/100%25', A)],
  ['an invalid escape', put('/job/a%zz', A), put('/job/a%', A), put('/job/a%2', A), del('/job/%zz')],
  ['escaped UTF-8', put('/job/%C3%A9%E6%97%A5%F0%9F%98%80', A), post('/job/%c3%a9%e6%97%a5%f0%9f%98%80', 'b 1\n')],
  ['characters that URLs may hold', put("/job/!$&'()*,;:@=~_-.", A)],
  ['characters that need escapes', put('/job/%22%3C%3E%5C%5E%60%7B%7C%7D', A)],
  ['such characters as they are', put('/job/"<>\\^`{|}', A)],
  ['a quote, a backslash and a newline in a value', put(`${J}/x/%22%5C%0A`, A)],
  ['CR, tab and NUL in a value', put(`${J}/x/%0D%09%00`, A)],
  ['an escaped question mark and hash', put('/job/a%3Fb%23c', A)],
  ['the query is not part of it', put(`${J}?job=k&instance=i`, A)],
  ['an escaped query', put(`${J}/x/1?%zz`, A)],
  ['an escaped letter', put('/%6Aob/%6A', A)],
  ['a repeated label: the last one wins', put(`${J}/x/1/x/2`, A), put(`${J}/x/2`, 'b 1\n')],
  ['a repeated label as base64', put(`${J}/x/1/x@base64/${b64('2')}`, A)],
  ['a repeated job: the first one wins', put(`${J}/job/k`, A), put(`${J}/x/1/job/k`, 'b 1\n')],
  ['names that are reserved', put(`${J}/__x/1`, A), put(`${J}/__name__/1`, A), put(`${J}/__/1`, A), del(`${J}/__x/1`)],
  ['a name that is reserved, with a good one', put(`${J}/x/1/__y/2`, A)],
  ['one underscore is not reserved', put(`${J}/_x/1/_/2`, A)],
  ['invalid names', put(`${J}/0x/1`, A), put(`${J}/x-y/1`, A), put(`${J}/x%20/1`, A), put(`${J}/x:y/1`, A)],
  ['an empty name', put(`${J}/@base64/eA`, A)],
  ['a name with an @', put(`${J}/x@base32/1`, A), put(`${J}/x@/1`, A), put(`${J}/x@base64@base64/eA`, A)],
  ['@base64 escaped', put(`/job%40base64/${b64('j')}/x%40base64/${b64('1')}`, A)],
  ['a bad URL is reported before a bad body', put(`${J}/a`, 'no metric'), put(`${J}/__x/1`, 'no metric')],
  ['labels named le, quantile and instance', put(`${J}/le/1/quantile/2/instance/i`, A)],
  ['HEAD', request('HEAD', '/metrics'), request('HEAD', '/-/healthy'), request('HEAD', '/metrics/job/j')],
  ['GET, PATCH and TRACE on a group', get('/metrics/job/j'), request('PATCH', '/metrics/job/j', A)],
  ['OPTIONS on a group, on /metrics, on the API', request('OPTIONS', '/metrics/job/j'), request('OPTIONS', '/metrics'), request('OPTIONS', '/api/v1/metrics')],
  ['PUT, POST and DELETE on /metrics', request('PUT', '/metrics', A), request('POST', '/metrics', A), request('DELETE', '/metrics')],
  ['/-/quit', get('/-/quit'), request('PUT', '/-/quit'), request('POST', '/-/quit'), request('DELETE', '/-/quit')],
  ['probes', get('/-/healthy'), get('/-/ready'), request('POST', '/-/healthy'), request('PUT', '/-/ready')],
  ['/metrics ignores the query', get('/metrics?x=y'), get('/metrics?name[]=x')],
  ['unknown paths', get('/nothing'), get('/metrics/x'), get('/-/'), get('/api/v1/nothing'), get('/api/v2/metrics'), get('/api/v1/')],
  ['methods of the API', request('POST', '/api/v1/metrics'), request('PUT', '/api/v1/status'), request('DELETE', '/api/v1/metrics')],
  ['wipe only accepts PUT', get('/api/v1/admin/wipe'), request('POST', '/api/v1/admin/wipe'), request('DELETE', '/api/v1/admin/wipe')],
  ['a path that ends before the job', get('/metrics/job/'), request('PATCH', '/metrics/job/', A), request('OPTIONS', '/metrics/job/'), get('/metrics/job@base64/')],
  ['the API without a slash', get('/api/v1'), get('/api/v1?x=y'), request('POST', '/api/v1'), get('/api')],
  ['each request of a connection waits for the one before', raw(`POST /metrics/job/j HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\na 1\nDELETE /metrics/job/j HTTP/1.1\r\nHost: a\r\nPrefer: wait=5\r\n\r\nPOST /metrics/job/j HTTP/1.1\r\nHost: a\r\nPrefer: wait=5\r\nConnection: close\r\nContent-Length: 4\r\n\r\nb 2\n`)],
  ['HTTP/1.0', raw('PUT /metrics/job/j HTTP/1.0\r\nContent-Length: 4\r\n\r\na 1\n')],
  ['a long path', put(`/job/${'j'.repeat(8_000)}`, A)],
  ['many labels', put(`${J}${Array.from({ length: 50 }, (_, i) => `/l${i}/v${i}`).join('')}`, A)],
];

/** How the latest release treats an escaped `/`, `.` or `..`; 1.5.1 redirects. */
// prettier-ignore
const pathsLatest: readonly Case[] = [
  ['an escaped .. is a value', put('/job/%2e%2e', A), put(`${J}/x/%2E%2E`, A), del('/job/%2e%2e')],
  ['an escaped . is a value', put('/job/%2e', A), put(`${J}/x/%2E`, A)],
  ['.. before an escaped slash is a value', put(`${J}/x/..%2Fy/1`, A)],
  ['an empty component before an escaped slash', put('/job/a%2F%2Fb/c', A), put('/job/a%2F%2Fb', A), put(`${J}/x/%2F`, A)],
  ['an empty job before an escaped slash', put('/job/%2Fa', A), put('/job/%2Fa/b', A)],
];

// prettier-ignore
const base64: readonly Case[] = [
  ['without padding', put(`/job@base64/${b64('a/b')}`, A)],
  ['with padding', put('/job@base64/YQ==', A), put('/job/a', 'b 1\n')],
  ['with too much padding', put('/job@base64/YQ======', A)],
  ['with too little padding', put('/job@base64/YQ=', A)],
  ['with escaped padding', put('/job@base64/YQ%3D%3D', A), put('/job/a', 'b 1\n')],
  ['bits that are left over', put('/job@base64/YR', A), put('/job/a', 'b 1\n')],
  ['the letters of base64url', put(`${J}/x@base64/${b64('ÿÿþ~?')}`, A)],
  ['UTF-8', put(`/job@base64/${b64('é日😀')}`, A)],
  ['a slash, a newline, dots', put(`/job@base64/${b64('a/b\n..')}/x@base64/${b64('..')}`, A)],
  ['only padding in a label', put(`${J}/x@base64/==`, A), put(`${J}/x/`, 'b 1\n')],
  ['the same group with and without', put(`/job@base64/${b64('j')}/x@base64/${b64('1')}`, A), put(`${J}/x/1`, 'b 1\n')],
  ['one digit too many in a label', put(`${J}/x@base64/abcde`, A), del(`${J}/x@base64/abcde`)],
  ['a plus in a label', put(`${J}/x@base64/a+b`, A), put(`${J}/x@base64/ab%2B`, A)],
  ['padding inside a label', put(`${J}/x@base64/YQ==YQ==`, A)],
  ['other characters in a label', put(`${J}/x@base64/a.b`, A), put(`${J}/x@base64/%20YQ`, A)],
  ['line breaks are ignored', put(`${J}/x@base64/YW%0AJj`, A), put(`${J}/x@base64/YW%0D%0AJj`, 'b 1\n')],
];

/** In 1.5.1 one of these blocks its route permanently. */
// prettier-ignore
const base64Latest: readonly Case[] = [
  ['an empty job', put('/job@base64/=', A), del('/job@base64/='), put('/job@base64/==', A)],
  ['a job of one digit too many', put('/job@base64/abcde', A), del('/job@base64/abcde')],
  ['a plus in the job', put('/job@base64/a+b', A)],
  ['padding inside the job', put('/job@base64/YQ==YQ==', A)],
  ['a slash at the end', put('/job@base64/', A)],
];

// prettier-ignore
const groups: readonly Case[] = [
  ['PUT replaces the whole group', put(J, 'a 1\nb 1\n'), put(J, 'b 2\n')],
  ['POST replaces the families it brings', put(J, 'a 1\nb 1\n'), post(J, 'b 2\n')],
  ['POST replaces a family as a whole', put(J, 'a{x="1"} 1\na{x="2"} 2\n'), post(J, 'a{x="2"} 3\n')],
  ['POST creates a group', post(J, A)],
  ['groups are separate', put(J, A), put('/job/k', 'a 2\n'), put(`${J}/x/1`, 'a 3\n'), put(J, 'b 1\n')],
  ['DELETE removes only one group', put(J, A), put(`${J}/x/1`, 'b 1\n'), del(J)],
  ['DELETE of the job does not reach its groups', put(`${J}/x/1`, A), del(J)],
  ['DELETE of an unknown group', del(J), del('/job/never/x/1')],
  ['DELETE twice', put(J, A), del(J), del(J)],
  ['DELETE with a body', put(J, A), del(J, 'a 1\n'), del('/job/k', 'no metric')],
  ['DELETE, then PUT', put(J, A), del(J), put(J, 'b 1\n')],
  ['DELETE, then POST', put(J, 'a 1\nb 1\n'), del(J), post(J, 'b 2\n')],
  ['an empty PUT empties the group and keeps it', put(J, A), put(J)],
  ['an empty PUT creates a group', put(J)],
  ['an empty POST creates a group', post(J)],
  ['an empty POST leaves the group unchanged', put(J, A), post(J)],
  ['PUT of only blank lines and comments', put(J, '\n \n# nothing\n')],
  ['PUT of only a HELP and a TYPE', put(J, '# HELP a text\n# TYPE a gauge\n'), put(J, A), post(J, '# TYPE a counter\n')],
  ['a type may change within the own group', put(J, '# TYPE a gauge\na 1\n'), put(J, '# TYPE a counter\na 1\n')],
  ['a type may change by POST', put(J, '# TYPE a gauge\na 1\n'), post(J, '# TYPE a counter\na 1\n')],
  ['a help may change within the own group', put(J, '# HELP a x\na 1\n'), post(J, '# HELP a y\na 1\n')],
  ['a help may go', put(J, '# HELP a x\na 1\n'), put(J, A)],
  ['the job overrides the body', put(J, 'a{job="other"} 1\n')],
  ['grouping labels override the body', put(`${J}/x/1`, 'a{x="2",y="3"} 1\n')],
  ['overriding makes series equal', put(`${J}/x/1`, 'a{x="2"} 1\na{x="3"} 2\n')],
  ['an empty grouping label overrides, too', put(`${J}/x/`, 'a{x="2"} 1\n')],
  ['no instance: it is added as empty', put(J, 'a 1\nb{x="1"} 1\n')],
  ['an instance in the body stays with its series', put(J, 'a{instance="i"} 1\nb 1\n')],
  ['an empty instance in the body', put(J, 'a{instance=""} 1\n')],
  ['an instance in the body, and the same without', put(J, 'a{instance=""} 1\na 2\n')],
  ['an instance in the path', put(`${J}/instance/i`, 'a 1\nb{instance="other"} 2\n')],
  ['several instances', put(`${J}/instance/1`, A), put(`${J}/instance/2`, A), del(`${J}/instance/1`)],
  ['instance@base64/= alone', put(`${J}/instance@base64/=`, A)],
  ['an empty label value in the body is kept', put(J, 'a{x=""} 1\n')],
  ['{x=""} and {} are two series', put(J, 'a{x=""} 1\na 2\n')],
  ['a pushed push_time_seconds is overridden', put(J, 'push_time_seconds 1\npush_failure_time_seconds 2\na 1\n')],
  ['a pushed push_time_seconds of another type', put(J, '# TYPE push_time_seconds counter\npush_time_seconds{x="1"} 1\n')],
  ['a pushed push_time_seconds by POST', put(J, A), post(J, 'push_time_seconds 1\n')],
  ['a first failure makes the group', put(J, 'a 1 1\n')],
  ['a failure after a success', put(J, A), put(J, 'a 1 1\n')],
  ['a success after a failure keeps the failure time', put(J, 'a 1 1\n'), put(J, A)],
  ['a success by POST after a failure', put(J, 'a 1 1\n'), post(J, A)],
  ['PUT keeps the failure time', put(J, A), put(J, 'a 1 1\n'), put(J, 'b 1\n')],
  ['DELETE forgets the failure', put(J, 'a 1 1\n'), del(J), put(J, A)],
  ['DELETE forgets a failure after a success', put(J, A), put(J, 'a 1 1\n'), del(J)],
  ['malformed text leaves no trace', put(J, 'a 1\nno metric\n'), put('/job/k', A), put('/job/k', 'b\n')],
  ['a timestamp keeps the old state', put(J, A), put(J, 'b 1\nc 1 1\n'), post(J, 'a 2 0\n')],
  ['a failure in a group with labels', put(`${J}/x/1/instance/i`, 'a 1 1\n')],
  ['series with other label names in one family', put(J, 'a 1\na{x="1"} 2\na{y="1",x="2"} 3\n')],
  ['labels in any order', put(J, 'a{z="1",b="2",x="3"} 1\n')],
  ['a duplicate label', put(J, 'a{x="1",x="2"} 1\n')],
  ['a duplicate label that the group overrides', put(`${J}/x/1`, 'a{x="1",x="2"} 1\n')],
  ['a hundred families', put(J, Array.from({ length: 100 }, (_, i) => `# TYPE f${i} gauge\nf${i}{x="${i}"} ${i}\n`).join(''))],
  ['a thousand series', put(J, Array.from({ length: 1_000 }, (_, i) => `a{x="${i}"} ${i}\n`).join(''))],
  ['wipe', put(J, A), put('/job/k', A), request('PUT', '/api/v1/admin/wipe'), put('/job/l', A)],
];

// prettier-ignore
const consistency: readonly Case[] = [
  ['a series twice in a push', put(J, 'a 1\na 1\n'), put(J, 'a{x="1",y="2"} 1\na{y="2",x="1"} 2\n')],
  ['a series twice is refused, and the group stays', put(J, A), post(J, 'b 1\nb 2\n'), put(J, 'b 1\nb 2\n')],
  ['one type over all groups', put(J, '# TYPE a gauge\na 1\n'), put('/job/k', '# TYPE a counter\na 1\n')],
  ['no TYPE is untyped, and no gauge', put(J, '# TYPE a gauge\na 1\n'), put('/job/k', A)],
  ['untyped by name and by default', put(J, '# TYPE a untyped\na 1\n'), put('/job/k', A)],
  ['a type in conflict by POST', put(J, '# TYPE a gauge\na 1\n'), post('/job/k', '# TYPE a counter\na 1\n')],
  ['all pairs of types', ...typePairs()],
  ['a type freed by DELETE', put(J, '# TYPE a gauge\na 1\n'), del(J), put('/job/k', '# TYPE a counter\na 1\n')],
  ['a type freed by PUT', put(J, '# TYPE a gauge\na 1\n'), put(J, 'b 1\n'), put('/job/k', '# TYPE a counter\na 1\n')],
  ['a type freed by a change', put(J, '# TYPE a gauge\na 1\n'), put(J, A), put('/job/k', A)],
  ['a type freed by an empty PUT', put(J, '# TYPE a gauge\na 1\n'), put(J), put('/job/k', '# TYPE a counter\na 1\n')],
  ['a type not freed by POST of another family', put(J, '# TYPE a gauge\na 1\n'), post(J, 'b 1\n'), put('/job/k', A)],
  ['a type held by two groups', put(J, A), put('/job/k', A), del(J), put('/job/l', '# TYPE a gauge\na 1\n')],
  ['a type in conflict: the rest of the push is not stored', put(J, '# TYPE a gauge\na 1\n'), put('/job/k', 'a 1\nb 1\n')],
  ['a type may change when the others have gone', put(J, A), put('/job/k', A), del('/job/k'), put(J, '# TYPE a gauge\na 1\n')],
  ['a type of the own group may not change while another holds it', put(J, A), put('/job/k', A), put(J, '# TYPE a gauge\na 1\n')],
  ['other help is tolerated', put(J, '# HELP a x\na 1\n'), put('/job/k', '# HELP a y\na 1\n'), put('/job/l', A)],
  ['x_sum beside a summary x, in one push', put(J, '# TYPE x summary\nx_sum 1\nx_count 1\n'), put('/job/k', 'x_sum 1\n# TYPE x summary\nx 1\n')],
  ['x_sum, then summary x', put(J, 'x_sum 1\n'), put('/job/k', '# TYPE x summary\nx_count 1\n')],
  ['x_count, then summary x', put(J, 'x_count 1\n'), put('/job/k', '# TYPE x summary\nx_count 1\n')],
  ['x_bucket beside summary x', put(J, 'x_bucket 1\n'), put('/job/k', '# TYPE x summary\nx_count 1\n')],
  ['summary x, then x_sum', put(J, '# TYPE x summary\nx_count 1\n'), put('/job/k', 'x_sum 1\n')],
  ['summary x, then x_count', put(J, '# TYPE x summary\nx_count 1\n'), put('/job/k', '# TYPE x_count counter\nx_count 1\n')],
  ['summary x, then x_bucket', put(J, '# TYPE x summary\nx_count 1\n'), put('/job/k', 'x_bucket 1\n')],
  ['histogram x, then x_sum', put(J, '# TYPE x histogram\nx_count 1\n'), put('/job/k', 'x_sum 1\n')],
  ['histogram x, then x_count', put(J, '# TYPE x histogram\nx_count 1\n'), put('/job/k', 'x_count 1\n')],
  ['histogram x, then x_bucket', put(J, '# TYPE x histogram\nx_count 1\n'), put('/job/k', 'x_bucket{le="1"} 1\n')],
  ['x_bucket, then histogram x', put(J, 'x_bucket 1\n'), put('/job/k', '# TYPE x histogram\nx_count 1\n')],
  ['x_sum and x_count, then histogram x', put(J, 'x_sum 1\nx_count 1\n'), put('/job/k', '# TYPE x histogram\nx_count 1\n')],
  ['x_sum beside a gauge x', put(J, '# TYPE x gauge\nx 1\n'), put('/job/k', 'x_sum 1\nx_count 1\nx_bucket 1\n')],
  ['a summary x_sum and a summary x', put(J, '# TYPE x_sum summary\nx_sum_count 1\n'), put('/job/k', '# TYPE x summary\nx_count 1\n')],
  ['the collision ends with the group', put(J, '# TYPE x summary\nx_count 1\n'), del(J), put('/job/k', 'x_sum 1\n')],
  ['the collision ends with a PUT', put(J, '# TYPE x summary\nx_count 1\n'), put(J, 'y 1\n'), put('/job/k', 'x_sum 1\n')],
  ['the own group may change from summary x to x_sum', put(J, '# TYPE x summary\nx_count 1\n'), put(J, 'x_sum 1\n')],
  ['the own group may not add x_sum by POST', put(J, '# TYPE x summary\nx_count 1\n'), post(J, 'x_sum 1\n')],
  ['the own group replaces summary x by gauge x and adds x_sum', put(J, '# TYPE x summary\nx_count 1\n'), post(J, '# TYPE x gauge\nx 1\n# TYPE x_sum gauge\nx_sum 1\n')],
  ['a quantile grouping label forbids summaries', put(`${J}/quantile/1`, '# TYPE x summary\nx_count 1\n'), put(`${J}/quantile/1`, A)],
  ['an explicit quantile label of a gauge', put(J, '# TYPE x gauge\nx{quantile="0.5"} 1\n')],
  ['duplicates across groups: other names of grouping labels', put(`${J}/x/1`, A), put(J, 'a{x="1"} 2\n')],
  ['duplicates across groups, the other way', put(J, 'a{x="1"} 2\n'), put(`${J}/x/1`, A)],
  ['no duplicate: another value', put(`${J}/x/1`, A), put(J, 'a{x="2"} 2\n')],
  ['no duplicate: another job', put(`${J}/x/1`, A), put('/job/k', 'a{x="1"} 2\n')],
  ['no duplicate: another family', put(`${J}/x/1`, A), put(J, 'b{x="1"} 2\n')],
  ['no duplicate: one label more', put(`${J}/x/1`, A), put(J, 'a{x="1",y="1"} 2\n')],
  ['duplicates by the added instance', put(`${J}/x/1`, A), put(J, 'a{x="1",instance=""} 2\n')],
  ['duplicates by an instance in the body', put(`${J}/instance/i`, A), put(J, 'a{instance="i"} 1\n')],
  ['duplicates by an instance in the body, the other way', put(J, 'a{instance="i"} 1\n'), put(`${J}/instance/i`, A)],
  ['duplicates among three sets of names', put(`${J}/x/1/y/2`, A), put(`${J}/x/1`, 'a{y="2"} 1\n'), put(J, 'a{x="1",y="2"} 1\n')],
  ['a duplicate freed by DELETE', put(`${J}/x/1`, A), del(`${J}/x/1`), put(J, 'a{x="1"} 2\n')],
  ['a duplicate freed by PUT', put(`${J}/x/1`, A), put(`${J}/x/1`, 'b 1\n'), put(J, 'a{x="1"} 2\n')],
  ['a duplicate freed by POST', put(`${J}/x/1`, 'a{y="1"} 1\n'), post(`${J}/x/1`, 'a{y="2"} 1\n'), put(J, 'a{x="1",y="1"} 2\n')],
  ['duplicates of a summary across groups', put(`${J}/x/1`, '# TYPE s summary\ns_count 1\n'), put(J, '# TYPE s summary\ns_count{x="1"} 1\n')],
  ['duplicates of a histogram across groups', put(`${J}/x/1`, '# TYPE s histogram\ns_count 1\n'), put(J, '# TYPE s histogram\ns_count{x="1"} 1\n')],
  ['an inconsistent push keeps the old state and sets the failure time', put(J, '# TYPE a gauge\na 1\n'), put('/job/k', 'b 1\n'), put('/job/k', A)],
  ['an inconsistent push makes its group', put(J, '# TYPE a gauge\na 1\n'), put('/job/k/x/1', A)],
  ['the failure of a push that would be a duplicate', put(`${J}/x/1`, A), put(J, 'a{x="1"} 2\nb 1\n'), post(J, 'b 1\n')],
  ['an empty family does not hold a type', put(J, '# TYPE a gauge\n# HELP a x\n'), put('/job/k', A)],
  ['timestamps come before inconsistencies', put(J, 'a 1 1\na 1 1\n')],
  ['push_time_seconds as a summary', put(J, '# TYPE push_time_seconds summary\npush_time_seconds_sum 1\n')],
  ['push_time_seconds_sum is a name like any', put(J, 'push_time_seconds_sum 1\n')],
];

function familyOf(type: string): string {
  return `# TYPE a ${type}\n${type === 'summary' || type === 'histogram' ? 'a_count' : 'a'} 1\n`;
}

function typePairs(): Step[] {
  const types = ['counter', 'gauge', 'untyped', 'summary', 'histogram'];
  return types.flatMap((held) => [
    put(J, familyOf(held)),
    ...types.map((type) => put('/job/k', familyOf(type))),
    del('/job/k'),
    del(J),
  ]);
}

// prettier-ignore
const text: readonly Case[] = [
  ['a blank after the value', put(J, 'a 1 \n')],
  ['a tab after the value', put(J, 'a 1\t\n')],
  ['CRLF', put(J, 'a 1\r\n'), put(J, '# TYPE a gauge\r\na 1\n')],
  ['no newline at the end', put(J, 'a 1'), put(J, 'a{x="1"'), put(J, '# TYPE a gauge'), put(J, '# HELP a x'), put(J, '# x')],
  ['+NaN', put(J, 'a +NaN\n'), put(J, 'a -NaN\n')],
  ['too large a number', put(J, 'a 1e400\n'), put(J, 'a -1e400\n')],
  ['hexadecimal, octal, binary', put(J, 'a 0x10\n'), put(J, 'a 0x1p-2\n'), put(J, 'a 0o17\n'), put(J, 'a 0b1\n')],
  ['underscores in numbers', put(J, 'a 1_000\n')],
  ['words for numbers', put(J, 'a one\n'), put(J, 'a true\n'), put(J, 'a 1,5\n'), put(J, 'a 1e\n'), put(J, 'a .\n'), put(J, 'a +\n')],
  ['a trailing blank in a TYPE line', put(J, '# TYPE a gauge \na 1\n')],
  ['a trailing blank in a HELP line', put(J, '# HELP a text \na 1\n')],
  ['TYPE after samples', put(J, 'a 1\n# TYPE a gauge\n')],
  ['second TYPE', put(J, '# TYPE a gauge\n# TYPE a gauge\na 1\n')],
  ['second HELP', put(J, '# HELP a x\n# HELP a x\na 1\n')],
  ['an unknown type', put(J, '# TYPE a thing\na 1\n'), put(J, '# TYPE a unknown\na 1\n'), put(J, '# TYPE a info\na 1\n')],
  ['TYPE and HELP without more', put(J, '# TYPE\n# HELP\n# TYPE a\n# HELP a\n# HELP a \na 1\n')],
  ['#TYPE without a blank', put(J, '#TYPE a gauge\n#HELP a x\na 1\n')],
  ['many blanks', put(J, '#   TYPE\ta   gauge\n  a  \t 1\n#\tHELP  a   x  y\n')],
  ['a type in upper case', put(J, '# TYPE a GAUGE\na 1\n'), put('/job/k', '# TYPE b Counter\nb 1\n')],
  ['HELP after samples', put(J, 'a 1\n# HELP a x\n')],
  ['an empty HELP', put(J, '# HELP a \na 1\n'), put('/job/k', '# HELP b\nb 1\n')],
  ['escapes in HELP', put(J, String.raw`# HELP a \\ \n " \q` + '\na 1\n'), put(J, '# HELP a a\\nb \\\\ "\na 1\n')],
  ['escapes in label values', put(J, 'a{x="\\\\ \\n \\""} 1\n')],
  ['an unknown escape in a label value', put(J, 'a{x="\\q"} 1\n'), put(J, 'a{x="\\t"} 1\n')],
  ['a trailing comma', put(J, 'a{x="1",} 1\n')],
  ['two commas', put(J, 'a{x="1",,} 1\n'), put(J, 'a{,x="1"} 1\n'), put(J, 'a{,} 1\n')],
  ['no blank before the value', put(J, 'a{x="1"}1\n')],
  ['blanks among labels', put(J, 'a { x = "1" , y = "2" } 1\n')],
  ['empty braces', put(J, 'a{} 1\n')],
  ['a newline among labels', put(J, 'a{x="1"\n} 1\n'), put(J, 'a{x="1\n"} 1\n')],
  ['labels that are not closed', put(J, 'a{x="1" 1\n'), put(J, 'a{x=1} 1\n'), put(J, "a{x='1'} 1\n"), put(J, 'a{x} 1\n'), put(J, 'a} 1\n')],
  ['blanks at the end of the body', put(J, 'a 1\n  \t')],
  ['blank lines', put(J, '\n\n  \na 1\n\n\t\nb 1\n')],
  ['no value', put(J, 'a\n'), put(J, 'a{x="1"}\n'), put(J, 'a \n'), put(J, '1\n')],
  ['CR, NUL and U+2028 in label values', put(J, 'a{x="\r\0\u2028\u2029\u0085\u000b\f"} 1\n')],
  ['CR, NUL and U+2028 in HELP', put(J, '# HELP a \r\0\u2028x\u2029\na 1\n')],
  ['any UTF-8 in label values', put(J, 'a{x="é日😀\ufeff\uffff"} 1\n')],
  ['free text that is no UTF-8', put(J, Buffer.from('# HELP a \xff\na 1\n', 'latin1')), put('/job/k', Buffer.from('# \xe9\n#\xe9\nb 1\n', 'latin1'))],
  ['bytes that are not UTF-8', put(J, Buffer.from('# TYPE a\xff gauge\n', 'latin1')), put(J, Buffer.from('# HELP a\xff x\n', 'latin1')), put(J, Buffer.from('a\xff 1\n', 'latin1')), put(J, Buffer.from('a 1\xff\n', 'latin1')), put(J, Buffer.from('# TYPE a \xff\n', 'latin1')), put(J, Buffer.from('a{x="\xff"} 1\n', 'latin1')), put(J, Buffer.from('# HELP a \xff\na 1\n', 'latin1'))],
  ['a byte order mark', put(J, '\ufeffa 1\n')],
  ['invalid names', put(J, '1a 1\n'), put(J, 'a-b 1\n'), put(J, 'a.b 1\n'), put(J, 'é 1\n')],
  ['label names that are none', put(J, 'a{1="x"} 1\n'), put(J, 'a{x-y="x"} 1\n'), put(J, 'a{x:y="x"} 1\n'), put(J, 'a{é="x"} 1\n'), put(J, 'a{="x"} 1\n')],
  ['names with colons and underscores', put(J, ':a:b_ 1\n_ 2\n')],
  ['reserved label names', put(J, 'a{__name__="b"} 1\n'), put(J, 'a{__x="b"} 1\n')],
  ['comments', put(J, '# any\n#\n#x\n# TYPES a\na 1\n')],
  ['numbers in Go’s shortest form', put(J, 'a{x="1"} 1e6\na{x="2"} 123456789\na{x="3"} 0.0001\na{x="4"} 0.00001\na{x="5"} 1e21\na{x="6"} 1e-7\na{x="7"} 100000\na{x="8"} 999999\n')],
  ['special numbers', put(J, 'a{x="1"} NaN\na{x="2"} +Inf\na{x="3"} -Inf\na{x="4"} Inf\na{x="5"} inf\na{x="6"} infinity\na{x="7"} nan\na{x="8"} -0\n')],
  ['numbers with much precision', put(J, 'a{x="1"} 0.1234567890123456789\na{x="2"} 12345678901234567890\na{x="3"} 5e-324\na{x="4"} 1.7976931348623157e308\na{x="5"} 4.9e-325\n')],
  ['numbers in other forms', put(J, 'a{x="1"} +1\na{x="2"} .5\na{x="3"} 5.\na{x="4"} 1E5\na{x="5"} 1e+05\na{x="6"} 007\na{x="7"} -.5e-3\n')],
  ['timestamps', put(J, 'a 1 1600000000000\n'), put(J, 'a 1 -1\n'), put(J, 'a 1 0\n')],
  ['timestamps that are none', put(J, 'a 1 1.5\n'), put(J, 'a 1 x\n'), put(J, 'a 1 1 1\n'), put(J, 'a 1 99999999999999999999\n'), put(J, 'a 1 1 \n')],
  ['an exemplar', put(J, 'a 1 # {x="1"} 1\n'), put(J, '# TYPE a histogram\na_bucket{le="1"} 1 # {x="1"} 1\n')],
  ['# EOF', put(J, 'a 1\n# EOF\n')],
  ['a line of another family within a family', put(J, '# TYPE a gauge\na 1\nb 2\na{x="1"} 3\n')],
  ['a summary', put(J, '# TYPE s summary\ns{quantile="0.5"} 1\ns{quantile="0.99"} 2.5\ns_sum 3\ns_count 4\n')],
  ['a summary with labels', put(J, '# TYPE s summary\ns{x="1",quantile="0.5"} 1\ns_sum{x="1"} 3\ns_count{x="1"} 4\ns_count{x="2"} 1\n')],
  ['a summary without sum or count', put(J, '# TYPE s summary\ns{quantile="0.5"} 1\n')],
  ['a summary with only a value', put(J, '# TYPE s summary\ns 1\n')],
  ['a summary with NaN', put(J, '# TYPE s summary\ns{quantile="0.5"} NaN\ns_sum NaN\ns_count 0\n')],
  ['quantiles are written as floats', put(J, '# TYPE s summary\ns{quantile="0.50"} 1\ns{quantile="1.0"} 2\ns{quantile="1e-5"} 2\n')],
  ['a quantile that is no number', put(J, '# TYPE s summary\ns{quantile="x"} 1\n')],
  ['a quantile NaN', put(J, '# TYPE s summary\ns{quantile="NaN"} 1\ns_count 1\n')],
  ['a histogram', put(J, '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n')],
  ['a histogram without +Inf', put(J, '# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 3\nh_count 2\n')],
  ['a histogram without count', put(J, '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\n')],
  ['a histogram without sum', put(J, '# TYPE h histogram\nh_bucket{le="1"} 1\nh_count 3\n')],
  ['a histogram without buckets', put(J, '# TYPE h histogram\nh_sum 1\nh_count 3\n')],
  ['buckets keep their order', put(J, '# TYPE h histogram\nh_bucket{le="5"} 5\nh_bucket{le="1"} 1\nh_count 5\n')],
  ['bounds are written as floats', put(J, '# TYPE h histogram\nh_bucket{le="1.0"} 1\nh_bucket{le="1e6"} 2\nh_bucket{le="0.10"} 0\nh_bucket{le="inf"} 3\nh_count 3\n')],
  ['a bound that is no number', put(J, '# TYPE h histogram\nh_bucket{le="x"} 1\n')],
  ['a bucket without a bound', put(J, '# TYPE h histogram\nh_bucket 1\nh_count 1\n')],
  ['buckets that go down', put(J, '# TYPE h histogram\nh_bucket{le="1"} 5\nh_bucket{le="2"} 1\nh_count 5\n')],
  ['a histogram with labels', put(J, '# TYPE h histogram\nh_bucket{x="1",le="1"} 1\nh_bucket{le="1",x="2"} 2\nh_count{x="1"} 1\nh_count{x="2"} 2\n')],
  ['a bare sample in a histogram', put(J, '# TYPE h histogram\nh 1\nh_count 2\n')],
  ['buckets without a TYPE are families of their own', put(J, 'h_bucket{le="1"} 1\nh_sum 1\nh_count 1\n')],
  ['a TYPE after the buckets', put(J, 'h_bucket{le="1"} 1\n# TYPE h histogram\nh_count 1\n')],
  ['a count of a counter is a family of its own', put(J, '# TYPE x counter\nx 1\nx_count 2\n')],
  ['counts that no integer can hold', put(J, '# TYPE s summary\ns_count 7e224\n'), put('/job/k', '# TYPE s summary\ns_count 1e19\n'), put('/job/l', '# TYPE s summary\ns_count 1.8e19\n')],
  ['large counts', put(J, '# TYPE s summary\ns_count 1e15\n# TYPE h histogram\nh_bucket{le="1"} 123456789012\nh_count 9007199254740993\n')],
];

/** Features that the parser of 1.5.1 does not have. */
// prettier-ignore
const textLatest: readonly Case[] = [
  ['counts that are no numbers', put(J, '# TYPE h histogram\nh_bucket{le="1"} NaN\nh_count NaN\n'), put('/job/k', '# TYPE s summary\ns_count NaN\n'), put('/job/l', '# TYPE h histogram\nh_bucket{le="1"} +Inf\nh_count +Inf\n'), put('/job/m', '# TYPE h histogram\nh_bucket{le="1"} 1e30\nh_count 1e21\n')],
  ['a count below 0 of what is kept exactly', put(J, '# TYPE s summary\ns_sum -0\ns_count -1\n')],
  ['counts beyond 64 bits', put(J, '# TYPE h histogram\nh_bucket{le="1"} 18446744073709551615\nh_bucket{le="2"} 1e20\nh_count 18446744073709551616\n'), put('/job/k', '# TYPE h histogram\nh_count 18446744073709551615\n'), put('/job/l', '# TYPE h histogram\nh_bucket{le="1"} 18446744073709551616\n')],
  ['one count that is a fraction makes floats of all', put(J, '# TYPE h histogram\nh_bucket{le="1"} 5.5\nh_bucket{le="2"} 1234567\nh_bucket{le="3"} 1e20\nh_count 12345678901234567890\n')],
  ['negative counts', put(J, '# TYPE h histogram\nh_count -1\n'), put(J, '# TYPE h histogram\nh_bucket{le="1"} -1\n')],
  ['fractional counts', put(J, '# TYPE h histogram\nh_bucket{le="1"} 0.5\nh_count 1.5\n')],
  ['gaugehistogram', put(J, '# TYPE h gaugehistogram\nh_bucket{le="1"} 1\nh_count 1\n')],
  ['quoted names that are legacy names', put(J, '{"a"} 1\n'), put(J, '{"a",x="1"} 1\n'), put(J, '"a" 1\n')],
  ['invalid quoted names', put(J, '{"a.b"} 1\n'), put(J, 'a{"x.y"="1"} 1\n')],
];

// prettier-ignore
const encodings: readonly Case[] = [
  ['gzip', put(J, gzip(A), GZIP)],
  ['gzip of several members', put(J, Buffer.concat([gzip('a 1\n'), gzip('b 2\n')]), GZIP)],
  ['gzip of an empty body', put(J, A), put(J, gzip(''), GZIP)],
  ['gzip without bytes', put(J, '', GZIP), post(J, '', GZIP)],
  ['gzip without bytes: DELETE and GET', put(J, A), del(J, '', GZIP), get('/metrics', GZIP), get('/-/healthy', GZIP), get('/status', GZIP)],
  ['gzip without bytes: the API and unknown pages', get('/api/v1/status', GZIP), get('/nothing', GZIP)],
  ['gzip of a DELETE', put(J, A), del(J, gzip('x'), GZIP)],
  ['invalid gzip', put(J, A, GZIP), del(J, A, GZIP), put(J, Buffer.from([0x1f]), GZIP)],
  ['invalid gzip on an invalid path', put(`${J}/a/b/c`, A, GZIP), put(`${J}/__a/b`, A, GZIP)],
  ['gzip without a Content-Encoding header', put(J, gzip(A))],
  ['gzip of malformed text', put(J, gzip('no metric'), GZIP)],
  ['unknown encodings are read as they are', put(J, A, { 'content-encoding': 'br' }), put(J, 'b 1\n', { 'content-encoding': 'identity' }), put(J, gzip(A), { 'content-encoding': 'deflate' })],
  ['two encodings are an unknown encoding', put(J, A, { 'content-encoding': 'gzip, gzip' }), put(J, 'b 1\n', { 'content-encoding': ' ' })],
  ['chunked', raw(chunked('/metrics/job/j', 'a 1\n', 'b', ' 2\n'))],
  ['chunked, nothing', raw(chunked('/metrics/job/j'))],
  ['Expect: 100-continue', raw('PUT /metrics/job/j HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\na 1\n')],
  ['any content type is text', ...['text/plain', 'application/json', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/openmetrics-text', 'x', '', 'text/plain; charset=latin1'].map((type, i) => put(`/job/${i}`, A, { 'content-type': type }))],
  ['protobuf without its parameters is text', ...['application/vnd.google.protobuf', 'application/vnd.google.protobuf; encoding=delimited', 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=text', 'application/vnd.google.protobuf; proto=x; encoding=delimited'].map((type, i) => put(`/job/${i}`, A, { 'content-type': type }))],
];

// prettier-ignore
const encodingsLatest: readonly Case[] = [
  ['gzip in upper case', put(J, gzip(A), { 'content-encoding': 'GZIP' })],
  ['a truncated body is not applied', raw('PUT /metrics/job/j HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\na 1\n')],
  ['truncated gzip', put(J, gzip(A).subarray(0, -9), GZIP), put(J, gzip(A).subarray(0, -1), GZIP)],
  ['gzip with a bad checksum', put(J, withByte(gzip(A), -8, 0), GZIP)],
  ['gzip with trailing bytes', put(J, Buffer.concat([gzip(A), Buffer.from('x')]), GZIP), put(J, Buffer.concat([gzip(A), Buffer.alloc(8)]), GZIP)],
  ['snappy without bytes is an empty push', put(J, A), put(J, '', SNAPPY)],
  ['snappy, stored', put(J, snappy(A), SNAPPY)],
  ['invalid snappy', put(J, A, SNAPPY), put(J, snappy(A).subarray(0, -1), SNAPPY), put(J, snappy(A).subarray(1), SNAPPY)],
  ['snappy with a bad checksum', put(J, withByte(snappy(A), 14, 0), SNAPPY)],
  ['snappy in upper case', put(J, snappy(A), { 'content-encoding': 'Snappy' })],
  ['snappy of a DELETE', put(J, A), del(J, 'no snappy', SNAPPY)],
];

function withByte(buffer: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(buffer);
  copy.writeUInt8(value, at < 0 ? copy.length + at : at);
  return copy;
}

/** Framed, one chunk that is not compressed; its checksum is that of `a 1\n`. */
function snappy(content: string): Buffer {
  const data = Buffer.from(content);
  const chunk = Buffer.alloc(8);
  chunk.writeUInt8(0x01, 0);
  chunk.writeUIntLE(data.length + 4, 1, 3);
  chunk.writeUInt32LE(maskedCrc(data), 4);
  return Buffer.concat([Buffer.from([0xff, 6, 0, 0]), Buffer.from('sNaPpY'), chunk, data]);
}

function maskedCrc(data: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  crc = (crc ^ 0xffffffff) >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const reading: readonly Case[] = [
  ['families are sorted by name', put(J, 'b 1\na 1\nB 1\n_ 1\na_b 1\n')],
  ['an empty gateway'],
  ['the API: a group without families', put(J), put('/job/k', 'a 1 1\n')],
  ['the API: labels without the added instance', put(`${J}/x/1`, A)],
  ['the API: help, absent when empty', put(J, '# HELP a x\na 1\nb 1\n')],
  [
    'the API: numbers as strings',
    put(J, '# TYPE a gauge\na{x="1"} 1e6\na{x="2"} NaN\na{x="3"} -Inf\na{x="4"} 0.00001\na{x="5"} -0\n'),
  ],
  ['the API: a summary', put(J, '# TYPE s summary\ns{quantile="0.5"} NaN\ns{quantile="1"} 2\ns_sum 1e6\ns_count 4\n')],
  [
    'the API: a histogram, without the +Inf bucket that was not pushed',
    put(J, '# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 3\nh_count 2\n'),
  ],
  [
    'the API: a histogram with all',
    put(J, '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n'),
  ],
  ['the API: a family called labels', put(J, 'labels 1\n')],
  ['the API: a family called last_push_successful', put(J, 'last_push_successful 1\n')],
  ['the API: last_push_successful', put(J, A), put(J, 'a 1 1\n'), put('/job/k', 'a 1 1\n'), put('/job/k', A)],
  ['the API: time_stamp is of the push that brought the family', put(J, A), post(J, 'b 1\n'), put(J, 'a 1 1\n')],
];

export const SECTIONS: readonly Section[] = [
  ['paths and status codes', paths],
  ['base64', base64],
  ['groups', groups],
  ['consistency', consistency],
  ['text format', text],
  ['encodings', encodings],
  ['reading', reading],
];

/** Cases in which 1.5.1 differs. */
export const LATEST_SECTIONS: readonly Section[] = [
  ['paths and status codes', pathsLatest],
  ['base64', base64Latest],
  ['text format', textLatest],
  ['encodings', encodingsLatest],
];
