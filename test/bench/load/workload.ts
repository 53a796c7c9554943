/**
 * What is pushed: SERIES samples in `families` families, to groups that differ in job and instance as those of a fleet of batch
 * jobs do.
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

const STAGES = ['extract', 'transform', 'load', 'verify', 'publish', 'archive', 'index', 'notify', 'compact', 'report'];
const STATUSES = ['ok', 'ok', 'ok', 'retried', 'failed', 'skipped'];

/**
 * `variant` makes values and labels that differ as those of real jobs do: counts over some orders of magnitude, durations with
 * all digits that a double has. Alike ones would be compressed as no real exposition is.
 */
export function pushBody({ families }: Shape, variant = 0): string {
  const random = randomFrom(variant);
  let body = '';
  const perFamily = SERIES / families;
  for (let family = 0; family < families; family++) {
    const [name, type] = family % 2 === 0 ? [`batch_rows_${family}`, 'gauge'] : [`batch_seconds_${family}`, 'counter'];
    body += `# HELP ${name} What the last run of the batch job left behind.\n# TYPE ${name} ${type}\n`;
    const firstStage = Math.floor(random() * STAGES.length);
    for (let i = 0; i < perFamily; i++) {
      // No two series of a family have the same stage.
      const stage = STAGES[(firstStage + i) % STAGES.length];
      const status = STATUSES[Math.floor(random() * STATUSES.length)];
      const value = type === 'gauge' ? Math.floor(10 ** (random() * 12)) : 10 ** (random() * 5 - 1);
      body += `${name}{stage="${stage}",status="${status}"} ${value}\n`;
    }
  }
  return body;
}

/** So many that no two neighbours in an exposition have the same, nor two pushes of a group that follow each other; a prime. */
const BODIES = 1_021;

/** Bodies to take in turn, as a file of load.lua: separated by NUL. */
export function bodies(shape: Shape, count = BODIES): string[] {
  return Array.from({ length: count }, (_, variant) => pushBody(shape, variant));
}

/** Numbers from 0 up to 1, the same ones for the same seed, so that runs can be compared. Mulberry32. */
function randomFrom(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
