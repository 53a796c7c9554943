// Settings from the environment, and the bodies that the scripts push.
export const target = (__ENV.TARGET || 'http://localhost:9753').replace(/\/+$/, '');
/** Address for scrapes, if it is not the one for pushes. */
export const scrapeTarget = (__ENV.SCRAPE_TARGET || target).replace(/\/+$/, '');
export const telemetryUrl = __ENV.TELEMETRY || `${scrapeTarget}/telemetry`;

export function number(name, fallback) {
  const text = __ENV[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!(value >= 0)) throw new Error(`${name} is not a number: ${text}`);
  return value;
}

export const vus = number('VUS', 20);
export const duration = __ENV.DURATION || '30s';
/** Number of groups. The variable is not GROUPS, because bash reserves that name. */
export const groupCount = number('GROUP_COUNT', 1000);
/** Series per push. */
export const series = number('SERIES', 10);

/** URL of group number n of a job. */
export function groupPath(job, n) {
  return `${target}/metrics/job/${job}/instance/node-${n % groupCount}`;
}

/** A gauge and a counter with `series` samples in total, as a batch job would push them. */
export function body(value) {
  const lines = ['# HELP k6_progress_ratio How far the job is.', '# TYPE k6_progress_ratio gauge'];
  const gauges = Math.ceil(series / 2);
  for (let i = 0; i < gauges; i++) lines.push(`k6_progress_ratio{step="${i}"} 0.${value % 1000}`);
  lines.push('# HELP k6_rows_total Rows the job has read.', '# TYPE k6_rows_total counter');
  for (let i = gauges; i < series; i++) lines.push(`k6_rows_total{table="${i}"} ${value}`);
  return `${lines.join('\n')}\n`;
}

/** 202 means durable, 200 also merged. */
export function accepted(response) {
  return response.status === 202 || response.status === 200;
}

/** Number of groups of a job in an exposition. */
export function groupsVisible(text, job) {
  return text.split('\n').filter((line) => line.startsWith('push_time_seconds{') && line.includes(`job="${job}"`))
    .length;
}
