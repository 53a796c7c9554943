/**
 * What a push must not contradict in other groups:
 *
 *     type      a family has one type in all groups
 *     suffix    no family has a name that a summary or a histogram takes (suffix-collisions.ts)
 *     series    no two groups hold the same series (series-owners.ts)
 *     twin      `instance=""` and no instance are two groups, but their push times would be the same series
 */
import { groupingNames, possibleOwner, type GroupingNames } from '../../../shared/consistency/series-owners.ts';
import { splitSuffix, suffixesOf } from '../../../shared/consistency/suffix-collisions.ts';
import { GatewayError } from '../../../shared/errors.ts';
import { labelSetsOf } from '../../../shared/exposition/check/label-sets.ts';
import { formatSelector } from '../../../shared/model/format-selector.ts';
import { twinLabels } from '../../../shared/model/group-labels.ts';
import { makeGroup } from '../../../shared/model/group.ts';
import type { Labels, MetricType } from '../../../shared/model/metric-family.ts';
import { quote } from '../../../shared/model/quote.ts';
import type { Catalogue } from './catalogue.ts';
import type { CataloguedFamily, CataloguedPush } from './catalogued-push.ts';

/** Another group that may hold series of the push; only its content can confirm it. */
export interface Suspect {
  readonly groupId: string;
  readonly groupLabels: Labels;
  readonly family: string;
  /** Label sets of the push's series that the other group would hold. */
  readonly series: Labels[];
}

/**
 * Throws `push_inconsistent`, naming a group that the push contradicts. Returns the suspects; mostly there are none.
 */
export function checkConsistency(catalogue: Catalogue, push: CataloguedPush, nowMs: number): Suspect[] {
  catalogue.expire(nowMs);
  if (push.kind === 'push') checkTwin(catalogue, push);
  const names = groupingNames(push.kind, push.labels);
  const suspects: Suspect[] = [];
  for (const family of push.families.values()) {
    if (family.content.samples === 0) continue;
    checkType(catalogue, push, family);
    checkSuffixes(catalogue, push, family);
    suspects.push(...findSuspects(catalogue, push, names, family));
  }
  return suspects;
}

/** Labels of the other group of the same push times, if it exists. */
export function findTwin(catalogue: Catalogue, labels: Labels): Labels | undefined {
  const twin = twinLabels(labels);
  return twin && catalogue.labelsOf(makeGroup('push', twin).id);
}

function checkTwin(catalogue: Catalogue, { labels }: CataloguedPush): void {
  const twin = findTwin(catalogue, labels);
  if (twin === undefined) return;
  const [own, other] = [formatSelector(labels), formatSelector(twin)];
  refuse(`group ${own} would have the same push_time_seconds series as group ${other}`);
}

function checkType(catalogue: Catalogue, push: CataloguedPush, { name, content: { type } }: CataloguedFamily): void {
  const holder = findHolder(catalogue, push, name, (held) => held !== type);
  if (holder === undefined) return;
  const group = formatSelector(holder.labels);
  refuse(`metric family ${quote(name)} is pushed as ${type}, but group ${group} holds it as ${holder.type}`);
}

function checkSuffixes(catalogue: Catalogue, push: CataloguedPush, { name, content }: CataloguedFamily): void {
  const split = splitSuffix(name);
  if (split !== undefined) {
    const { base, suffix } = split;
    const holder = findHolder(catalogue, push, base, (type) => suffixesOf(type).includes(suffix));
    if (holder !== undefined) refuseSuffix(name, base, holder.type, holder.labels);
  }
  for (const suffix of suffixesOf(content.type)) {
    const holder = findHolder(catalogue, push, name + suffix, () => true);
    if (holder !== undefined) refuseSuffix(name + suffix, name, content.type, holder.labels);
  }
}

/** A group that will hold the family after the push, as a type that `matches`. */
function findHolder(
  catalogue: Catalogue,
  push: CataloguedPush,
  family: string,
  matches: (type: MetricType) => boolean,
): { readonly labels: Labels; readonly type: MetricType } | undefined {
  // The push replaces families of its own group: all of them by PUT, those of the same name by POST.
  const isReplaced = push.verb !== 'POST' || push.families.has(family);
  for (const { type, schemas } of catalogue.holders(family)) {
    if (!matches(type)) continue;
    for (const { groups } of schemas) {
      for (const id of groups) {
        if (id !== push.groupId || !isReplaced) return { labels: catalogue.labelsOf(id) ?? [], type };
      }
    }
  }
  return undefined;
}

function findSuspects(
  catalogue: Catalogue,
  push: CataloguedPush,
  own: GroupingNames,
  { name, content, labelSets }: CataloguedFamily,
): Iterable<Suspect> {
  const others = new Map<string, GroupingNames>();
  for (const { names } of catalogue.holders(name)) if (names.key !== own.key) others.set(names.key, names);
  if (others.size === 0) return [];
  const suspects = new Map<string, Suspect>();
  for (const series of labelSets ?? labelSetsOf(name, content.type, content.text)) {
    for (const names of others.values()) {
      const labels = possibleOwner(names, series);
      if (labels === undefined) continue;
      const { id } = makeGroup(names.kind, labels);
      if (id === push.groupId || !catalogue.holds(id, name)) continue;
      const suspect = suspects.get(id);
      if (suspect === undefined) suspects.set(id, { groupId: id, groupLabels: labels, family: name, series: [series] });
      else suspect.series.push(series);
    }
  }
  return suspects.values();
}

function refuseSuffix(name: string, base: string, type: MetricType, holder: Labels): never {
  const group = formatSelector(holder);
  return refuse(`metric family ${quote(name)} collides with ${type} ${quote(base)} because of group ${group}`);
}

function refuse(reason: string): never {
  throw new GatewayError('push_inconsistent', reason);
}
