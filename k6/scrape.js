// Scrapes of GROUP_COUNT groups during PUSH_RATE pushes per second: VUS scrapers, half of them with gzip; each starts
// its next scrape as soon as it has read the last one.
//
//   k6 run k6/scrape.js     TARGET SCRAPE_TARGET VUS DURATION GROUP_COUNT SERIES PUSH_RATE P95_MS
import { check, fail, sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Trend } from 'k6/metrics';
import {
  accepted,
  body,
  duration,
  groupCount,
  groupPath,
  groupsVisible,
  number,
  scrapeTarget,
  vus,
} from './settings.js';

const JOB = 'k6_scrape';
const pushRate = number('PUSH_RATE', 20);
const scrapeBytes = new Trend('scrape_bytes');

export const options = {
  setupTimeout: '5m',
  scenarios: {
    scrape: { executor: 'constant-vus', exec: 'scrape', vus, duration },
    ...(pushRate > 0 && {
      push: { executor: 'constant-arrival-rate', exec: 'push', rate: pushRate, duration, preAllocatedVUs: 10 },
    }),
  },
  thresholds: {
    checks: ['rate==1'],
    'http_req_failed{name:scrape}': ['rate==0'],
    'http_req_duration{name:scrape}': [`p(95)<${number('P95_MS', 500)}`],
  },
};

/** Pushes every group, and waits until a scrape shows all of them. */
export function setup() {
  const batchSize = 100;
  for (let from = 0; from < groupCount; from += batchSize) {
    const requests = [];
    for (let n = from; n < Math.min(from + batchSize, groupCount); n++)
      requests.push(['PUT', groupPath(JOB, n), body(n)]);
    for (const response of http.batch(requests)) {
      if (!accepted(response)) fail(`cannot fill the gateway: ${response.status} ${response.body || response.error}`);
    }
  }
  for (let tries = 0; tries < 120; tries++) {
    const { body: text } = http.get(`${scrapeTarget}/metrics`);
    if (text && groupsVisible(text, JOB) === groupCount) return;
    sleep(0.5);
  }
  fail(`a scrape does not show the ${groupCount} groups that were pushed`);
}

export function scrape() {
  const encoding = exec.vu.idInInstance % 2 === 0 ? 'gzip' : 'identity';
  const response = http.get(`${scrapeTarget}/metrics`, {
    headers: { 'Accept-Encoding': encoding },
    tags: { name: 'scrape', encoding },
    timeout: '60s',
  });
  check(response, {
    'scrape is complete': ({ status, body: text }) => status === 200 && text !== null && text.endsWith('\n'),
    'scrape has the pushed metrics': ({ body: text }) => text !== null && text.includes('k6_rows_total{'),
  });
  if (response.body !== null) scrapeBytes.add(response.body.length);
}

export function push() {
  const n = exec.scenario.iterationInTest;
  check(http.put(groupPath(JOB, n), body(n), { tags: { name: 'push' } }), { accepted });
}
