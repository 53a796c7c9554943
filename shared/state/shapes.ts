/**
 * Groups with the same grouping label names and the same families of the same types share one *shape*. A fleet has few shapes,
 * however many groups it has.
 */
import type { Labels, MetricType } from '../exposition/model.ts';
import type { GroupKind } from '../grouping/group.ts';
import { areNamesOf } from '../grouping/labels.ts';

export interface Shape {
  readonly key: string;
  readonly kind: GroupKind;
  /** Grouping label names, sorted; none for ingest groups, of which every one has its own. */
  readonly labelNames: readonly string[];
  /** The same for shapes with the same label names: groups of one key cannot hold the same series. */
  readonly namesKey: string;
  readonly families: ReadonlyMap<string, MetricType>;
  readonly groups: Set<string>;
}

export class Shapes {
  readonly #shapes = new Map<string, Shape>();
  readonly #byFamily = new Map<string, Set<Shape>>();
  /** Most groups have the shape of the one before. */
  #latest: Shape | undefined;

  /** The shapes that have the family. */
  holding(family: string): Iterable<Shape> {
    return this.#byFamily.get(family) ?? [];
  }

  /** Puts a group into the shape it has now, and out of the one it had. */
  join(
    id: string,
    before: Shape | undefined,
    kind: GroupKind,
    labels: Labels,
    families: ReadonlyMap<string, MetricType>,
  ): Shape {
    const latest = this.#latest;
    const shape =
      latest !== undefined && isOf(latest, kind, labels, families) ? latest : this.#shapeOf(kind, labels, families);
    this.#latest = shape;
    if (before !== undefined && before !== shape) this.leave(id, before);
    shape.groups.add(id);
    return shape;
  }

  leave(id: string, shape: Shape): void {
    shape.groups.delete(id);
    if (shape.groups.size > 0) return;
    this.#shapes.delete(shape.key);
    if (shape === this.#latest) this.#latest = undefined;
    for (const name of shape.families.keys()) {
      const shapes = this.#byFamily.get(name);
      shapes?.delete(shape);
      if (shapes?.size === 0) this.#byFamily.delete(name);
    }
  }

  #shapeOf(kind: GroupKind, labels: Labels, families: ReadonlyMap<string, MetricType>): Shape {
    const labelNames = kind === 'ingest' ? [] : labels.map(([name]) => name);
    const sorted = [...families].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const key = JSON.stringify([kind, labelNames, sorted]);
    const known = this.#shapes.get(key);
    if (known !== undefined) return known;
    const shape: Shape = {
      key,
      kind,
      labelNames,
      namesKey: namesKey(kind, labels),
      families: new Map(sorted),
      groups: new Set(),
    };
    this.#shapes.set(key, shape);
    for (const name of shape.families.keys()) addTo(this.#byFamily, name, shape);
    return shape;
  }
}

function isOf(shape: Shape, kind: GroupKind, labels: Labels, families: ReadonlyMap<string, MetricType>): boolean {
  if (shape.kind !== kind || shape.families.size !== families.size) return false;
  if (kind !== 'ingest' && !areNamesOf(labels, shape.labelNames)) return false;
  for (const [name, type] of families) if (shape.families.get(name) !== type) return false;
  return true;
}

export function namesKey(kind: GroupKind, labels: Labels): string {
  return kind === 'ingest' ? kind : `${kind} ${labels.map(([name]) => name).join(' ')}`;
}

export function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}
