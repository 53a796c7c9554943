/**
 * Groups with the same grouping label names and the same families of the same types share one *schema*. A fleet has few
 * schemas, however many groups it has.
 *
 * Finding the schema of a group takes time in proportion to its families. A large group of which a few families change
 * therefore gets a schema of its own, which changes with it.
 */
import { groupingNames, hasNames, type GroupingNames } from '../../../shared/consistency/series-owners.ts';
import type { GroupKind } from '../../../shared/model/group.ts';
import type { Labels, MetricType } from '../../../shared/model/metric-family.ts';

export interface GroupSchema {
  /** Undefined for a schema that belongs to one group. */
  readonly key: string | undefined;
  readonly names: GroupingNames;
  readonly families: ReadonlyMap<string, MetricType>;
  readonly groups: Set<string>;
}

interface OwnSchema extends GroupSchema {
  readonly families: Map<string, MetricType>;
}

/** The schemas in which a family has the same type, and which have the same grouping label names. */
export interface FamilyHolders {
  readonly type: MetricType;
  readonly names: GroupingNames;
  readonly schemas: Set<GroupSchema>;
}

export class GroupSchemas {
  readonly #shared = new Map<string, GroupSchema>();
  /** By group. */
  readonly #own = new Map<string, OwnSchema>();
  readonly #byFamily = new Map<string, FamilyHolders[]>();
  /** Tried first, because most groups have the schema of the group before. */
  #latest: GroupSchema | undefined;

  holders(family: string): readonly FamilyHolders[] {
    return this.#byFamily.get(family) ?? [];
  }

  /** Moves a group from the schema `before`, if it has one, to that of these families. Returns it. */
  join(
    id: string,
    before: GroupSchema | undefined,
    kind: GroupKind,
    labels: Labels,
    families: ReadonlyMap<string, MetricType>,
  ): GroupSchema {
    if (before !== undefined && areSame(before.families, families)) return before;
    const latest = this.#latest;
    const isLatest = latest !== undefined && hasNames(kind, labels, latest.names) && areSame(latest.families, families);
    const schema = isLatest ? latest : this.#find(groupingNames(kind, labels), families);
    this.#latest = schema;
    if (before !== undefined) this.leave(id, before);
    schema.groups.add(id);
    return schema;
  }

  /** Sets the type of a family in a group of `before`; undefined removes it. Returns the group's own schema. */
  change(id: string, before: GroupSchema, family: string, type: MetricType | undefined): GroupSchema {
    const schema = this.#own.get(id) ?? this.#makeOwn(id, before);
    const held = schema.families.get(family);
    if (held === type) return schema;
    if (held !== undefined) this.#unlink(schema, family, held);
    if (type === undefined) schema.families.delete(family);
    else {
      schema.families.set(family, type);
      this.#link(schema, family, type);
    }
    return schema;
  }

  leave(id: string, schema: GroupSchema): void {
    schema.groups.delete(id);
    if (schema.groups.size > 0) return;
    if (schema.key === undefined) this.#own.delete(id);
    else this.#shared.delete(schema.key);
    if (schema === this.#latest) this.#latest = undefined;
    for (const [name, type] of schema.families) this.#unlink(schema, name, type);
  }

  #makeOwn(id: string, before: GroupSchema): OwnSchema {
    const families = new Map(before.families);
    const schema: OwnSchema = { key: undefined, names: before.names, families, groups: new Set([id]) };
    this.#own.set(id, schema);
    for (const [name, type] of families) this.#link(schema, name, type);
    this.leave(id, before);
    return schema;
  }

  #find(names: GroupingNames, families: ReadonlyMap<string, MetricType>): GroupSchema {
    const sorted = [...families].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const key = names.key + JSON.stringify(sorted);
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const schema: GroupSchema = { key, names, families: new Map(sorted), groups: new Set() };
    this.#shared.set(key, schema);
    for (const [name, type] of sorted) this.#link(schema, name, type);
    return schema;
  }

  #link(schema: GroupSchema, family: string, type: MetricType): void {
    const all = this.#byFamily.get(family) ?? [];
    const known = all.find((one) => one.type === type && one.names.key === schema.names.key);
    if (known !== undefined) known.schemas.add(schema);
    else this.#byFamily.set(family, [...all, { type, names: schema.names, schemas: new Set([schema]) }]);
  }

  #unlink(schema: GroupSchema, family: string, type: MetricType): void {
    const all = this.#byFamily.get(family) ?? [];
    const at = all.findIndex((one) => one.type === type && one.names.key === schema.names.key);
    const schemas = all[at]?.schemas;
    schemas?.delete(schema);
    if (schemas?.size !== 0) return;
    if (all.length === 1) this.#byFamily.delete(family);
    else all.splice(at, 1);
  }
}

function areSame(some: ReadonlyMap<string, MetricType>, others: ReadonlyMap<string, MetricType>): boolean {
  if (some.size !== others.size) return false;
  for (const [name, type] of others) if (some.get(name) !== type) return false;
  return true;
}
