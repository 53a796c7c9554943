/**
 * The pushes: SERIES samples in `families` families, to groups that differ in job and instance, as those of a fleet of
 * batch jobs do.
 */
export const SERIES = 10;

export interface Shape {
  /** Number of families that the ten series are spread over: 1, 2, 5 or 10. */
  readonly families: number;
}

const JOBS = 97;

/** The path of a group after `/metrics`. load.lua builds the same path. */
export function groupPath(group: number): string {
  return `/job/batch-${group % JOBS}/instance/host-${group}`;
}

const STAGES = ['extract', 'transform', 'load', 'verify', 'publish', 'archive', 'index', 'notify', 'compact', 'report'];
const STATUSES = ['ok', 'ok', 'ok', 'retried', 'failed', 'skipped'];

/**
 * `variant` varies values and labels as real jobs do: counts over some orders of magnitude, durations with all digits
 * of a double. Identical values would compress better than any real exposition.
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
      // The stage is different in each series of a family.
      const stage = STAGES[(firstStage + i) % STAGES.length];
      const status = STATUSES[Math.floor(random() * STATUSES.length)];
      const value = type === 'gauge' ? Math.floor(10 ** (random() * 12)) : 10 ** (random() * 5 - 1);
      body += `${name}{stage="${stage}",status="${status}"} ${value}\n`;
    }
  }
  return body;
}

/**
 * Number of bodies: a prime, so large that neighbours in an exposition differ, and successive pushes to a group as
 * well.
 */
const BODIES = 1_021;

/** Bodies to use in turn, as a file for load.lua: separated by NUL. */
export function bodies(shape: Shape, count = BODIES): string[] {
  return Array.from({ length: count }, (_, variant) => pushBody(shape, variant));
}

/** Numbers from 0 to 1, the same for the same seed, so that runs can be compared. Mulberry32. */
function randomFrom(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
