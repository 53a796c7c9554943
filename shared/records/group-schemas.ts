/**
 * Groups with the same grouping label names and the same families of the same types share one *shape*. A fleet has few shapes,
 * however many groups it has.
 *
 * Finding the shape of a group takes as long as the group has families. So one with many, of which few change at a time, gets a shape of
 * its own, which changes with it.
 */
import type { Labels, MetricType } from '../model/metric-family.ts';
import type { GroupKind } from '../model/group.ts';
import { areNamesOf } from '../model/labels.ts';

export interface Shape {
  /** Undefined for one that is a group's own. */
  readonly key: string | undefined;
  readonly kind: GroupKind;
  /** Grouping label names, sorted; none for ingest groups, of which every one has its own. */
  readonly labelNames: readonly string[];
  /** The same for shapes with the same label names: groups of one key cannot hold the same series. */
  readonly namesKey: string;
  readonly families: ReadonlyMap<string, MetricType>;
  readonly groups: Set<string>;
}

interface OwnShape extends Shape {
  readonly families: Map<string, MetricType>;
}

/** The shapes that have a family as the same type, under the same label names. */
export interface Holders extends Pick<Shape, 'kind' | 'labelNames' | 'namesKey'> {
  readonly type: MetricType;
  readonly shapes: Set<Shape>;
}

export class Shapes {
  readonly #shapes = new Map<string, Shape>();
  readonly #own = new Map<string, OwnShape>();
  readonly #byFamily = new Map<string, Holders[]>();
  /** Most groups have the shape of the one before. */
  #latest: Shape | undefined;

  /** Who has the family, as what. */
  holding(family: string): readonly Holders[] {
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

  /** A group that is in `before` has the family now, as this type, or not any more. Returns the shape it has now: its own. */
  change(id: string, before: Shape, family: string, type: MetricType | undefined): Shape {
    const shape = this.#own.get(id) ?? this.#makeOwn(id, before);
    const held = shape.families.get(family);
    if (held === type) return shape;
    if (held !== undefined) this.#unlink(shape, family, held);
    if (type === undefined) shape.families.delete(family);
    else {
      shape.families.set(family, type);
      this.#link(shape, family, type);
    }
    return shape;
  }

  leave(id: string, shape: Shape): void {
    shape.groups.delete(id);
    if (shape.groups.size > 0) return;
    if (shape.key === undefined) this.#own.delete(id);
    else this.#shapes.delete(shape.key);
    if (shape === this.#latest) this.#latest = undefined;
    for (const [name, type] of shape.families) this.#unlink(shape, name, type);
  }

  #makeOwn(id: string, before: Shape): OwnShape {
    const { kind, labelNames, namesKey: names } = before;
    const families = new Map(before.families);
    const shape: OwnShape = { key: undefined, kind, labelNames, namesKey: names, families, groups: new Set([id]) };
    this.#own.set(id, shape);
    for (const [name, type] of families) this.#link(shape, name, type);
    this.leave(id, before);
    return shape;
  }

  #link(shape: Shape, family: string, type: MetricType): void {
    const all = this.#byFamily.get(family);
    const known = all?.find((one) => one.type === type && one.namesKey === shape.namesKey);
    if (known !== undefined) {
      known.shapes.add(shape);
      return;
    }
    const { kind, labelNames, namesKey: names } = shape;
    const holders: Holders = { type, kind, labelNames, namesKey: names, shapes: new Set([shape]) };
    if (all === undefined) this.#byFamily.set(family, [holders]);
    else all.push(holders);
  }

  #unlink(shape: Shape, family: string, type: MetricType): void {
    const all = this.#byFamily.get(family) ?? [];
    const at = all.findIndex((one) => one.type === type && one.namesKey === shape.namesKey);
    const shapes = all[at]?.shapes;
    shapes?.delete(shape);
    if (shapes?.size !== 0) return;
    if (all.length === 1) this.#byFamily.delete(family);
    else all.splice(at, 1);
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
    for (const [name, type] of shape.families) this.#link(shape, name, type);
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
