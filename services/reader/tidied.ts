import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Snapshot } from '../../shared/state/snapshot.ts';

/** Of the snapshot, between which other work may be done: about 5 ms. */
const STEPS = 512;

/** Resolves when reading the snapshot takes no time worth mentioning; after many changes it would, and others are not to wait for it. */
export async function tidied(snapshot: Snapshot): Promise<void> {
  while (snapshot.tidy(STEPS) > STEPS) await nextTurn();
}
