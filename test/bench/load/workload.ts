/**
 * What is pushed: SERIES samples in `families` families, the same number of bytes each time, to groups that differ in job and
 * instance as those of a fleet of batch jobs do.
 */
export const SERIES = 10;

export interface Shape {
  /** Over how many families the ten series are spread: 1, 2, 5 or 10. */
  readonly families: number;
}

const JOBS = 97;

/** What follows `/metrics` in the URL of a group. load.lua has the same. */
export function groupPath(group: number): string {
  return `/job/batch-${group % JOBS}/instance/host-${group}`;
}

/** `variant` makes values that differ and are as long. */
export function pushBody({ families }: Shape, variant = 0): string {
  let body = '';
  const perFamily = SERIES / families;
  for (let family = 0; family < families; family++) {
    const [name, type] = family % 2 === 0 ? [`batch_rows_${family}`, 'gauge'] : [`batch_seconds_${family}`, 'counter'];
    body += `# HELP ${name} What the last run of the batch job left behind.\n# TYPE ${name} ${type}\n`;
    for (let i = 0; i < perFamily; i++) {
      body += `${name}{stage="stage-${i}",status="ok"} ${1000 + ((variant * 37 + family * 7 + i) % 9000)}.5\n`;
    }
  }
  return body;
}

/** Bodies to take in turn, as a file of load.lua: separated by NUL. */
export function bodies(shape: Shape, count = 16): string[] {
  return Array.from({ length: count }, (_, variant) => pushBody(shape, variant));
}
