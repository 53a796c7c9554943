import type { Slices } from './time-slices.ts';

/** Number of items that are sorted at once. */
const RUN = 512;

/** A sorted copy, equal items in their order: as `toSorted`, but in slices. */
export async function sortInSlices<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  slices: Slices,
): Promise<T[]> {
  let runs: T[][] = [];
  for (let from = 0; from < items.length; from += RUN) {
    runs.push(items.slice(from, from + RUN).toSorted(compare));
    if (slices.isOver) await slices.next();
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      merged.push(await mergeInSlices(runs[i] ?? [], runs[i + 1] ?? [], compare, slices));
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

/** Both must be sorted. */
export async function mergeInSlices<T>(
  some: readonly T[],
  others: readonly T[],
  compare: (a: T, b: T) => number,
  slices: Slices,
): Promise<T[]> {
  const merged: T[] = [];
  for (let i = 0, j = 0; i < some.length || j < others.length;) {
    const isFirst = j === others.length || (i < some.length && compare(some[i] as T, others[j] as T) <= 0);
    merged.push((isFirst ? some[i++] : others[j++]) as T);
    if (merged.length % RUN === 0 && slices.isOver) await slices.next();
  }
  return merged;
}
