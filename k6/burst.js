// Burst: VUS clients push as fast as they can, for DURATION. The watcher reads the backlog from the telemetry, then
// measures the time until the log is empty, and checks that a scrape shows every group.
//
//   k6 run k6/burst.js      TARGET SCRAPE_TARGET TELEMETRY VUS DURATION GROUP_COUNT SERIES P95_MS DRAIN_SECONDS
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Gauge } from 'k6/metrics';
import {
  accepted,
  body,
  groupCount,
  groupPath,
  groupsVisible,
  number,
  scrapeTarget,
  telemetryUrl,
} from './settings.js';

const JOB = 'k6_burst';
const burstSeconds = parseFloat(__ENV.DURATION || '10s');
const drainSeconds = number('DRAIN_SECONDS', 60);
// Time between two reads that must both see an empty log, s: the telemetry may be a second old.
const CONFIRM_SECONDS = 1.5;

const pushesAccepted = new Counter('pushes_accepted');
const pushesRefused = new Counter('pushes_refused');
const backlogPeak = new Gauge('backlog_peak');
const drainTime = new Gauge('drain_seconds');

export const options = {
  scenarios: {
    burst: { executor: 'constant-vus', exec: 'burst', vus: number('VUS', 100), duration: `${burstSeconds}s` },
    watch: {
      executor: 'per-vu-iterations',
      exec: 'watch',
      vus: 1,
      iterations: 1,
      maxDuration: `${burstSeconds + drainSeconds + 30}s`,
    },
  },
  thresholds: {
    checks: ['rate==1'],
    pushes_refused: ['count==0'],
    'http_req_duration{name:push}': [`p(95)<${number('P95_MS', 1000)}`],
    drain_seconds: [`value<${drainSeconds}`],
  },
};

export function setup() {
  return { burstEnd: Date.now() + burstSeconds * 1000 };
}

export function burst() {
  const n = exec.scenario.iterationInTest;
  const response = http.put(groupPath(JOB, n), body(n), { tags: { name: 'push' } });
  const isAccepted = check(response, { accepted });
  (isAccepted ? pushesAccepted : pushesRefused).add(1);
}

export function watch({ burstEnd }) {
  let peak = 0;
  let emptySince = 0;
  while (Date.now() < burstEnd + drainSeconds * 1000) {
    const left = backlog();
    if (left > peak) backlogPeak.add((peak = left));
    const isOver = Date.now() > burstEnd;
    if (isOver && left === 0) {
      if (emptySince > 0) break;
      emptySince = Date.now();
      sleep(CONFIRM_SECONDS);
    } else {
      emptySince = 0;
      sleep(0.2);
    }
  }
  drainTime.add(emptySince > 0 ? (emptySince - burstEnd) / 1000 : drainSeconds);
  const { body: text } = http.get(`${scrapeTarget}/metrics`, { tags: { name: 'scrape' }, timeout: '60s' });
  check(text, {
    'the log is empty': () => emptySince > 0,
    // True as long as there are more pushes than groups.
    'every group is scraped': () => groupsVisible(text || '', JOB) === groupCount,
  });
}

/** Pushes that wait in the log. */
function backlog() {
  const response = http.get(telemetryUrl, { tags: { name: 'telemetry' } });
  check(response, {
    'telemetry has the backlog': ({ body: text }) => sum(text, 'pushgateway_stream_length') !== undefined,
  });
  return sum(response.body, 'pushgateway_stream_length') || 0;
}

function sum(text, name) {
  const lines = (text || '').split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  if (lines.length === 0) return undefined;
  return lines.reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' '))), 0);
}
