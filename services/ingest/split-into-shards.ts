/**
 * Divides the series of one `POST /ingest` among the shards that will hold them: each label set is a group, and its ID says
 * where it lives. Series that share a shard and a TTL travel as one push. Pure.
 */
import type { Families, Family, Labels } from '../../shared/exposition/model.ts';
import { encodeFamily } from '../../shared/exposition/protobuf-codec.ts';
import { renderHeader, renderSamples } from '../../shared/exposition/render-text.ts';
import { splitByLabelSet } from '../../shared/exposition/split-series.ts';
import { makeGroup, shardOf } from '../../shared/grouping/group.ts';
import type { BodyFormat } from '../../shared/exposition/decode-body.ts';

export interface ShardPart {
  readonly shard: number;
  readonly ttlMs: number;
  /** The series, in the format of the push. */
  readonly body: Buffer;
  /** The same by group. */
  readonly groups: readonly { readonly groupId: string; readonly labels: Labels; readonly families: Families }[];
}

export function splitIntoShards(
  families: Families,
  shards: number,
  ttlOf: (labels: Labels) => number,
  format: BodyFormat,
): ShardPart[] {
  const parts = new Map<
    string,
    { shard: number; ttlMs: number; families: Families; groups: ShardPart['groups'][number][] }
  >();
  for (const { labels, families: own } of splitByLabelSet(families).values()) {
    const groupId = makeGroup('ingest', labels).id;
    const shard = shardOf(groupId, shards);
    const ttlMs = ttlOf(labels);
    const key = `${shard} ${ttlMs}`;
    let part = parts.get(key);
    if (part === undefined) parts.set(key, (part = { shard, ttlMs, families: new Map(), groups: [] }));
    part.groups.push({ groupId, labels, families: own });
    for (const family of own.values()) add(part.families, family);
  }
  return [...parts.values()].map(({ families: all, ...part }) => ({ ...part, body: encode(all, format) }));
}

function add(families: Families, family: Family): void {
  const held = families.get(family.name);
  if (held === undefined) families.set(family.name, { ...family, metrics: [...family.metrics] } as Family);
  // The parts of one family are of one type: they come from one body.
  else (held.metrics as unknown[]).push(...family.metrics);
}

function encode(families: Families, format: BodyFormat): Buffer {
  if (format === 'protobuf' || format === 'protobuf-utf8')
    return Buffer.concat([...families.values()].map(encodeFamily));
  let text = '';
  for (const family of families.values()) {
    text += renderHeader(family.name, family.help, family.type) + renderSamples(family);
  }
  return Buffer.from(text);
}
