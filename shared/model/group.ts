/**
 * The identity of a group: its ID, its shard, and its path.
 */
import { hash } from 'node:crypto';
import { encodeBase64Url } from './base64url.ts';
import { escapeName } from './escaped-name.ts';
import { formatSelector } from './format-selector.ts';
import { decodeLabels, encodeLabels, sortedUnique } from './labels.ts';
import type { Labels } from './metric-family.ts';

/** `push`: its labels come from the path of a push. `ingest`: a label set of `POST /ingest`. */
export type GroupKind = 'push' | 'ingest';

export interface Group {
  kind: GroupKind;
  /** Sorted by name. Those of a pushed group include the job, but no instance that was added. */
  labels: Labels;
  /** 22 characters that are safe in keys and URLs. */
  id: string;
}

/** The same labels in any order make the same group. A pushed group and an ingest group are never the same. */
export function makeGroup(kind: GroupKind, labels: Labels): Group {
  const unique = sortedUnique(labels);
  // The encoding is unambiguous, so two groups share an ID only if 128 bits of SHA-1 collide.
  return { kind, labels: unique, id: groupId(`${kind}${encodeLabels(unique)}`) };
}

/** Kind and labels in one string, as they are stored, such as `push ["job","a"]`. Different for different groups. */
export function groupOrder(kind: GroupKind, labels: Labels): string {
  return `${kind} ${encodeLabels(labels)}`;
}

/** The labels in such a string. */
export function labelsIn(order: string): Labels {
  return decodeLabels(order.slice(order.indexOf(' ') + 1));
}

/** The ID of the group with this order. */
export function idIn(order: string): string {
  return groupId(order.replace(' ', ''));
}

function groupId(kindAndLabels: string): string {
  return hash('sha1', kindAndLabels, 'buffer').subarray(0, 16).toString('base64url');
}

/** Uniform, because the ID is a hash. Must never change, because stored groups are found by it. */
export function shardOf(id: string, shards: number): number {
  return Buffer.from(id.slice(0, 8), 'base64url').readUInt32BE(0) % shards;
}

/** The paths of groups begin with this, wherever scrapes are served, because clients do not let it be changed. */
export const PUSH_PATH = '/metrics';

/** The path that a group is pushed to, for the page and for logs. An ingest group is written as a selector. */
export function groupPath({ kind, labels }: Pick<Group, 'kind' | 'labels'>): string {
  if (kind === 'ingest') return `/ingest${formatSelector(labels)}`;
  const job = labels.find(([name]) => name === 'job')?.[1] ?? '';
  const others = labels.filter(([name]) => name !== 'job');
  const path = others.map(([name, value]) => segments(escapeName(name, 'label'), value)).join('');
  return PUSH_PATH + segments('job', job) + path;
}

/** In base64 if the value is empty, or would be split or removed in the path. */
function segments(name: string, value: string): string {
  if (value === '') return `/${name}@base64/=`;
  if (value === '.' || value === '..' || value.includes('/')) return `/${name}@base64/${encodeBase64Url(value)}`;
  return `/${name}/${encodeURIComponent(value)}`;
}
