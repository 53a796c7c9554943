/**
 * Labels as one string: in stored groups, as map keys, and as what a group's ID is made of.
 */
import type { LabelPair, Labels } from './metric-family.ts';

/**
 * A JSON array of names and values, in the order given: `["job","a","instance",""]`. Different for different labels, whatever characters they
 * hold.
 */
export function encodeLabels(labels: Labels): string {
  const flat: string[] = [];
  for (const [name, value] of labels) flat.push(name, value);
  return JSON.stringify(flat);
}

/** The inverse. Throws a TypeError for what `encodeLabels` cannot have written. */
export function decodeLabels(encoded: string): Labels {
  const flat: unknown = JSON.parse(encoded);
  if (!Array.isArray(flat) || flat.length % 2 !== 0 || !flat.every((item) => typeof item === 'string')) {
    throw new TypeError(`cannot decode labels: ${encoded.slice(0, 200)}`);
  }
  // Copied: an array that has grown has room for many more.
  const labels: LabelPair[] = [];
  for (let i = 0; i < flat.length; i += 2) labels.push([String(flat[i]), String(flat[i + 1])]);
  return labels.slice();
}

/** Sorts by name; of labels with the same name the last stays. */
export function sortedUnique(labels: Iterable<LabelPair>): Labels {
  return [...new Map(labels)].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
