/**
 * Which groups can hold the same series. A series of a pushed group has all grouping labels of its group, so the group
 * follows from the series and the names of the grouping labels; an ingest group is the label set of its series. Two
 * groups can hold the same series only if the names of their grouping labels differ.
 */
import type { GroupKind } from '../model/group.ts';
import type { Labels } from '../model/metric-family.ts';

export interface GroupingNames {
  readonly kind: GroupKind;
  /** Sorted. None for ingest groups: each has its own, but they count as one set of names. */
  readonly names: readonly string[];
  /** Equal for equal names. */
  readonly key: string;
}

export function groupingNames(kind: GroupKind, labels: Labels): GroupingNames {
  const names = kind === 'ingest' ? [] : labels.map(([name]) => name);
  return { kind, names, key: JSON.stringify([kind, ...names]) };
}

/** Whether the group with these labels has these names. */
export function hasNames(kind: GroupKind, labels: Labels, of: GroupingNames): boolean {
  if (kind !== of.kind) return false;
  return kind === 'ingest' || (labels.length === of.names.length && labels.every(([name], i) => name === of.names[i]));
}

/** The labels of the group with these names that could hold the series; undefined if none could. `series` is sorted. */
export function possibleOwner({ kind, names }: GroupingNames, series: Labels): Labels | undefined {
  if (kind === 'ingest') return series;
  const labels = series.filter(([name]) => names.includes(name));
  return labels.length === names.length ? labels : undefined;
}
