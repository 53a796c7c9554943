import { Slices } from '../../shared/lifecycle.ts';
import type { Snapshot } from '../../shared/state/snapshot.ts';

/**
 * Resolves when reading the snapshot takes no time worth mentioning; after many changes it would, and others are not to wait for it. A
 * step takes some microseconds, or some milliseconds: while V8 marks its heap, a buffer that is allocated makes it mark on.
 */
export async function tidied(snapshot: Snapshot): Promise<void> {
  const slices = new Slices();
  while (snapshot.tidy(() => slices.isOver) > 0) await slices.next();
}
