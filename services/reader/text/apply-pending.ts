import { inSlices } from '../../../shared/async/time-slices.ts';
import type { ReadableText } from './text-chunks.ts';

/**
 * Resolves when all pending changes are applied, so that reading the text is fast. After many changes this takes long,
 * so the work is done in slices. A step usually takes microseconds, but up to milliseconds while V8 is marking its
 * heap: each allocation of a buffer then advances the marking.
 */
export async function applyPending(text: ReadableText): Promise<void> {
  await inSlices((isOver) => text.applyPending(isOver) === 0);
}
