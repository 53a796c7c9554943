import { Slices } from '../../shared/lifecycle.ts';
import type { Snapshot } from '../../shared/state/snapshot.ts';

/** Of the snapshot: a step takes some microseconds, but for those in which V8 collects garbage. */
const STEPS = 16;

/** Resolves when reading the snapshot takes no time worth mentioning; after many changes it would, and others are not to wait for it. */
export async function tidied(snapshot: Snapshot): Promise<void> {
  const slices = new Slices();
  while (snapshot.tidy(STEPS) > STEPS) if (slices.isOver) await slices.next();
}
