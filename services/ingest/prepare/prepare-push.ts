/**
 * From the body of a push to the families of each of its groups: decoded, labelled, checked against each other, and
 * rendered as they will be exposed. Pure; large bodies are prepared in a thread (prepare-thread.ts).
 */
import { GatewayError } from '../../../shared/errors.ts';
import { checkPush } from '../../../shared/exposition/check/check-push.ts';
import { parseText } from '../../../shared/exposition/text/parse-text.ts';
import { decodeUtf8 } from '../../../shared/exposition/text/utf8.ts';
import { isLosslessAsText } from '../../../shared/exposition/text/lossless-text.ts';
import { applyGroupingLabels, dropPushTimes, sortLabels } from '../../../shared/model/group-labels.ts';
import type { Families, Labels } from '../../../shared/model/metric-family.ts';
import { decodeProtobuf, encodeFamily } from '../../../shared/exposition/protobuf/codec.ts';
import { renderSamples } from '../../../shared/exposition/text/render-text.ts';
import { splitByLabelSet } from './split-series.ts';
import { makeGroup, type Group } from '../../../shared/model/group.ts';
import type { CataloguedFamily } from '../catalogue/catalogued-push.ts';

export interface PrepareOptions {
  readonly format: 'text' | 'protobuf';
  /** Metric and label names may be any UTF-8. */
  readonly utf8Names?: boolean;
  /** The group that the push is for; undefined for `POST /ingest`, where each label set is a group. */
  readonly group: Group | undefined;
  /** 0 = no limit. */
  readonly maxSeries: number;
  /** 0 = no limit. Each family, however small, is a step of the merge, of the catalogue and of the snapshot. */
  readonly maxFamilies: number;
}

export interface PreparedGroup {
  readonly groupId: string;
  readonly labels: Labels;
  /** Without label sets if they come from a thread. */
  readonly families: readonly CataloguedFamily[];
}

/**
 * Throws GatewayError: `exposition_invalid` for a body that cannot be read, `push_inconsistent` for one that
 * contradicts itself, `push_too_large` for more series or families than a push may have.
 */
export function preparePush(body: Uint8Array, options: PrepareOptions): PreparedGroup[] {
  const { group } = options;
  const families = decode(body, options);
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

function decode(body: Uint8Array, { format, utf8Names = false, maxSeries }: PrepareOptions): Families {
  const limits = { utf8Names, maxSeries: maxSeries === 0 ? undefined : maxSeries };
  return format === 'protobuf' ? decodeProtobuf(body, limits) : parseText(decodeUtf8(body), limits);
}

function limitFamilies(families: Families, { group, maxFamilies }: PrepareOptions): void {
  // On `/ingest` each label set is a group, so each series is a family of its group.
  let count = group === undefined ? 0 : families.size;
  if (group === undefined) for (const { metrics } of families.values()) count += metrics.length;
  if (maxFamilies === 0 || count <= maxFamilies) return;
  const counted = group === undefined ? `brings ${count} families to its groups` : `has ${count} families`;
  throw new GatewayError(
    'push_too_large',
    `the push ${counted}, more than the ${maxFamilies} allowed (--push.max-families-per-push): split it`,
  );
}

function render(families: Families): CataloguedFamily[] {
  return Array.from(families.values(), (family) => {
    const { name, type, help, metrics } = family;
    const text = renderSamples(family);
    const rendered = { type, help, samples: countLines(text), text };
    const content = isLosslessAsText(family) ? rendered : { ...rendered, exact: encodeFamily(family) };
    return { name, content, labelSets: metrics.map(({ labels }) => labels) };
  });
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
