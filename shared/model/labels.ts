/**
 * Lists of labels: their order, and their form as one string, which is stored with groups, keys maps and makes the ID
 * of a group.
 */
import type { LabelPair, Labels } from './metric-family.ts';

/** A JSON array of names and values in the order given, `["job","a","instance",""]`: different for different labels. */
export function encodeLabels(labels: Labels): string {
  const flat: string[] = [];
  for (const [name, value] of labels) flat.push(name, value);
  return JSON.stringify(flat);
}

/** The inverse. Throws a TypeError for anything that `encodeLabels` cannot have written. */
export function decodeLabels(encoded: string): Labels {
  const flat: unknown = JSON.parse(encoded);
  if (!Array.isArray(flat) || flat.length % 2 !== 0 || !flat.every((item) => typeof item === 'string')) {
    throw new TypeError(`cannot decode labels: ${encoded.slice(0, 200)}`);
  }
  const labels: LabelPair[] = [];
  for (let i = 0; i < flat.length; i += 2) labels.push([String(flat[i]), String(flat[i + 1])]);
  // Copied, because an array that has grown reserves room for more.
  return labels.slice();
}

/** Sorts by name. Of labels with the same name, the last stays. */
export function sortedUnique(labels: Iterable<LabelPair>): Labels {
  return [...new Map(labels)].toSorted(byName);
}

/** Sorts by name. Returns the labels themselves if they are sorted already. */
export function sortedByName(labels: Labels): Labels {
  let previous = '';
  for (const [name] of labels) {
    if (name < previous) return labels.toSorted(byName);
    previous = name;
  }
  return labels;
}

/** For pairs that begin with a name. */
export function byName(a: readonly [string, ...unknown[]], b: readonly [string, ...unknown[]]): number {
  if (a[0] === b[0]) return 0;
  return a[0] < b[0] ? -1 : 1;
}

/** Whether the names are the same, in the same order. */
export function haveSameNames(some: Labels, others: Labels): boolean {
  if (some.length !== others.length) return false;
  for (let i = 0; i < some.length; i++) if (some[i]?.[0] !== others[i]?.[0]) return false;
  return true;
}
