/**
 * From the body of a push to the families of each of its groups: inflated, decoded, labelled, checked against each
 * other, and rendered as they will be exposed. Pure; large bodies are prepared in a thread (prepare-thread.ts).
 */
import { GatewayError } from '../../../shared/errors.ts';
import { inflate } from '../../../shared/http/body/content-encoding.ts';
import { checkPush } from '../../../shared/exposition/check/check-push.ts';
import { parseText } from '../../../shared/exposition/text/parse-text.ts';
import { decodeUtf8 } from '../../../shared/exposition/text/utf8.ts';
import { isLosslessAsText } from '../../../shared/exposition/text/lossless-text.ts';
import { applyGroupingLabels, dropPushTimes, sortLabels } from '../../../shared/model/group-labels.ts';
import type { Families, Labels } from '../../../shared/model/metric-family.ts';
import { decodeProtobuf, encodeFamily } from '../../../shared/exposition/protobuf/codec.ts';
import { PushLimits } from '../../../shared/exposition/push-limits.ts';
import { renderSamplesUpTo } from '../../../shared/exposition/text/render-text.ts';
import { splitByLabelSet } from './split-series.ts';
import { makeGroup, type Group } from '../../../shared/model/group.ts';
import type { CataloguedFamily } from '../catalogue/catalogued-push.ts';

export interface PrepareOptions {
  /** As in the header Content-Encoding. */
  readonly encoding?: string | undefined;
  readonly format: 'text' | 'protobuf';
  /** Metric and label names may be any UTF-8. */
  readonly utf8Names?: boolean;
  /** The group that the push is for; undefined for `POST /ingest`, where each label set is a group. */
  readonly group: Group | undefined;
  /** 0 = no limit. */
  readonly maxSeries: number;
  /** 0 = no limit. Each family, however small, is a step of the merge, of the catalogue and of the snapshot. */
  readonly maxFamilies: number;
  /** Size of the inflated body; default no limit. */
  readonly maxBytes?: number;
  /** Length of its text, in which each sample has all labels of its series; default no limit. */
  readonly maxTextLength?: number;
}

export interface PreparedGroup {
  readonly groupId: string;
  readonly labels: Labels;
  /** Without label sets if they come from a thread. */
  readonly families: readonly CataloguedFamily[];
}

/**
 * Throws GatewayError: `request_invalid` for a body that cannot be inflated, `exposition_invalid` for one that cannot
 * be read, `push_inconsistent` for one that contradicts itself, `push_too_large` for one that is over a limit.
 */
export function preparePush(body: Buffer, options: PrepareOptions): PreparedGroup[] {
  const { group, encoding, maxBytes = Infinity, maxTextLength = Infinity } = options;
  const families = decode(inflate(body, encoding, maxBytes), options);
  const renderer = new Renderer(maxTextLength);
  if (group === undefined) {
    limitGroups(families, options);
    dropPushTimes(families);
    checkPush(sortLabels(families));
    return [...splitByLabelSet(families).values()].map(({ labels, families: own }) => {
      return { groupId: makeGroup('ingest', labels).id, labels, families: renderer.render(own) };
    });
  }
  renderer.checkLabels(families, group.labels);
  checkPush(applyGroupingLabels(families, group.labels));
  return [{ groupId: group.id, labels: group.labels, families: renderer.render(families) }];
}

function decode(body: Buffer, { format, utf8Names = false, maxSeries, maxFamilies }: PrepareOptions): Families {
  const limits = new PushLimits({
    maxSeries: maxSeries === 0 ? Infinity : maxSeries,
    maxFamilies: maxFamilies === 0 ? Infinity : maxFamilies,
    bodyBytes: body.length,
  });
  const options = { utf8Names, limits };
  return format === 'protobuf' ? decodeProtobuf(body, options) : parseText(decodeUtf8(body), options);
}

/** On `/ingest` each label set is a group, so each series is a family of its group. */
function limitGroups(families: Families, { maxFamilies }: PrepareOptions): void {
  let count = 0;
  for (const { metrics } of families.values()) count += metrics.length;
  if (maxFamilies === 0 || count <= maxFamilies) return;
  throw new GatewayError(
    'push_too_large',
    `the push brings ${count} families to its groups, more than the ${maxFamilies} allowed (--push.max-families-per-push): split it`,
  );
}

class Renderer {
  readonly #maxLength: number;
  #length = 0;

  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  /** Throws `push_too_large` if the text will be too long for the grouping labels alone, before they are copied. */
  checkLabels(families: Families, grouping: Labels): void {
    let each = 0;
    for (const [name, value] of grouping) each += name.length + value.length;
    let count = 0;
    for (const { metrics } of families.values()) count += metrics.length;
    this.#checkLength(each * count);
  }

  render(families: Families): CataloguedFamily[] {
    return Array.from(families.values(), (family) => {
      const { name, type, help, metrics } = family;
      const text = renderSamplesUpTo(family, this.#maxLength - this.#length);
      this.#length += text.length;
      this.#checkLength(this.#length);
      const rendered = { type, help, samples: countLines(text), text };
      const content = isLosslessAsText(family) ? rendered : { ...rendered, exact: encodeFamily(family) };
      return { name, content, labelSets: metrics.map(({ labels }) => labels) };
    });
  }

  #checkLength(length: number): void {
    if (length <= this.#maxLength) return;
    const why = `the push takes more than ${this.#maxLength} characters as text, in which each sample has all labels`;
    throw new GatewayError('push_too_large', `${why} (--push.max-body-bytes): split it`);
  }
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
