import { Slices } from '../../../shared/async/time-slices.ts';
import type { ReadableText } from './text-parts.ts';

/**
 * Resolves when reading the text takes no time worth mentioning; after many changes it would, and others are not to wait for it. A
 * step takes some microseconds, or some milliseconds: while V8 marks its heap, a buffer that is allocated makes it mark on.
 */
export async function tidied(text: ReadableText): Promise<void> {
  const slices = new Slices();
  while (text.tidy(() => slices.isOver) > 0) await slices.next();
}
