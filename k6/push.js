// Steady load: VUS clients push over GROUP_COUNT groups; each sends its next push as soon as the last is answered.
//
//   k6 run k6/push.js       TARGET VUS DURATION GROUP_COUNT SERIES P95_MS
import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { accepted, body, duration, groupPath, number, vus } from './settings.js';

export const options = {
  scenarios: { push: { executor: 'constant-vus', vus, duration } },
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    http_req_duration: [`p(95)<${number('P95_MS', 100)}`],
  },
};

const params = { headers: { 'Content-Type': 'text/plain; version=0.0.4' }, tags: { name: 'push' } };

export default function push() {
  const n = exec.scenario.iterationInTest;
  check(http.put(groupPath('k6_push', n), body(n), params), { accepted });
}
