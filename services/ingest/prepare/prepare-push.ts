/**
 * From the body of a push to what it brings to each of its groups: decoded, labelled, checked against itself, and rendered
 * as it will be served. Pure; large bodies are prepared in a thread (prepare-thread.ts).
 */
import { GatewayError } from '../../../shared/errors.ts';
import { checkPush } from '../../../shared/exposition/check/check-push.ts';
import { decodeBody, type BodyFormat } from './decode-body.ts';
import { textSaysAll } from '../../../shared/exposition/text/lossless-text.ts';
import { applyGroupingLabels, dropPushTimes, sortLabels } from '../../../shared/model/group-labels.ts';
import type { Families, Family, Labels } from '../../../shared/model/metric-family.ts';
import { encodeFamily } from '../../../shared/exposition/protobuf/codec.ts';
import { renderSamples } from '../../../shared/exposition/text/render-text.ts';
import { splitByLabelSet } from './split-series.ts';
import { makeGroup, type Group } from '../../../shared/model/group.ts';
import type { CataloguedFamily } from '../catalogue/catalogued-push.ts';

export interface PrepareOptions {
  readonly format: BodyFormat;
  /** The group that the push is for; undefined for `POST /ingest`, where each label set is a group. */
  readonly group: Group | undefined;
  /** 0 = no limit. */
  readonly maxSeries: number;
  /** 0 = no limit. Each costs the merge, the catalogue and the snapshot a step of its own, however small it is. */
  readonly maxFamilies: number;
}

export interface PreparedGroup {
  readonly groupId: string;
  readonly labels: Labels;
  /** Without their label sets when they come from a thread. */
  readonly families: readonly CataloguedFamily[];
}

/**
 * Throws GatewayError: `exposition_invalid` for a body that cannot be read, `push_inconsistent` for one that contradicts itself,
 * `push_too_large` for more series or families than a push may have.
 */
export function preparePush(body: Uint8Array, options: PrepareOptions): PreparedGroup[] {
  const { format, group, maxSeries } = options;
  const families = decodeBody(body, format, maxSeries === 0 ? undefined : maxSeries);
  limitFamilies(families, options);
  if (group === undefined) {
    dropPushTimes(families);
    checkPush(sortLabels(families));
    return [...splitByLabelSet(families).values()].map(({ labels, families: own }) => {
      return { groupId: makeGroup('ingest', labels).id, labels, families: render(own) };
    });
  }
  checkPush(applyGroupingLabels(families, group.labels));
  return [{ groupId: group.id, labels: group.labels, families: render(families) }];
}

function limitFamilies(families: Families, { group, maxFamilies }: PrepareOptions): void {
  // Where each label set is a group, each series is a family of its group.
  const count = group === undefined ? countSeries(families) : families.size;
  if (maxFamilies === 0 || count <= maxFamilies) return;
  const counted = group === undefined ? `brings ${count} families to its groups` : `has ${count} families`;
  throw new GatewayError(
    'push_too_large',
    `the push ${counted}, more than the ${maxFamilies} allowed (--push.max-families-per-push): split it`,
  );
}

function countSeries(families: Families): number {
  let count = 0;
  for (const { metrics } of families.values()) count += metrics.length;
  return count;
}

function render(families: Families): CataloguedFamily[] {
  const prepared: CataloguedFamily[] = [];
  for (const family of families.values()) prepared.push(renderFamily(family));
  return prepared;
}

function renderFamily(family: Family): CataloguedFamily {
  const { name, type, help, metrics } = family;
  const text = renderSamples(family);
  const shown = { type, help, samples: countLines(text), text };
  const content = textSaysAll(family) ? shown : { ...shown, exact: encodeFamily(family) };
  return { name, content, labelSets: metrics.map(({ labels }) => labels) };
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
