import { describe, expect, test } from 'vitest';
import { familyHelps, familyTypes, samples } from '../support/metrics-text.ts';
import { RELEASES, whyNot } from './harness/pair.ts';
import { pairOf } from './harness/run-case.ts';
import { del, get, gzip, GZIP, post, put, request } from './harness/step.ts';

// The self-metrics that the official gateway serves on /metrics are on our /telemetry, so dashboards and alerts
// continue to work.

const steps = [
  put('/job/j', 'a 1\n'),
  put('/job/j/x/1', gzip('a 1\n'), GZIP),
  post('/job/j', 'b 1\n'),
  put('/job/j', 'no metric'),
  put('/job/k', 'a 1 1\n'),
  put('/job/k/a', 'a 1\n'),
  del('/job/j'),
  del('/job/j/a'),
  get('/metrics'),
  get('/metrics'),
  get('/-/healthy'),
  get('/-/ready'),
  get('/api/v1/status'),
  get('/api/v1/metrics'),
  request('OPTIONS', '/api/v1/metrics'),
  request('PUT', '/api/v1/admin/wipe'),
  get('/status'),
  get('/'),
  get('/nothing'),
  request('PUT', '/-/quit'),
  request('DELETE', '/metrics'),
];

/**
 * Requests by handler, code and method; a push is 200 or 202 by ours. Probes beside those of the test are not counted.
 */
function requestsOf(text: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const { name, labels, value } of samples(text)) {
    if (name !== 'pushgateway_http_requests_total' || value === 0) continue;
    const { handler = '', code = '', method = '' } = labels;
    // The number of probes during the start differs.
    if (handler === 'ready') continue;
    found.set(`${handler} ${code === '202' ? '200' : code} ${method}`, value);
  }
  return found;
}

describe.for(RELEASES)('like the official gateway, %s', (release) => {
  const pair = pairOf(release);

  test('requests are counted equally', async ({ skip }) => {
    skip(...whyNot(release));
    for (const step of steps) await pair().send(step);
    const ours = requestsOf(await pair().ours.telemetry());
    const official = requestsOf(await pair().official.scrape());
    expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(official));
  });

  test('names, types and helps are the same', async ({ skip }) => {
    skip(...whyNot(release));
    const [ours, official] = [await pair().ours.telemetry(), await pair().official.scrape()];
    const own = [...familyTypes(official)].filter(([name]) => name.startsWith('pushgateway_'));
    expect(own.length).toBeGreaterThanOrEqual(4);
    for (const [name, type] of own) {
      expect(familyTypes(ours).get(name), name).toBe(type);
      if (name !== 'pushgateway_build_info')
        expect(familyHelps(ours).get(name), name).toBe(familyHelps(official).get(name));
    }
    const labelNames = (text: string): string[] => [
      ...new Set(
        samples(text)
          .filter(({ name }) => name.startsWith('pushgateway_http_push'))
          .map(({ name, labels }) => `${name} ${Object.keys(labels).toSorted().join()} ${labels['quantile'] ?? ''}`),
      ),
    ];
    expect(labelNames(ours).toSorted()).toEqual(labelNames(official).toSorted());
  });
});
