/**
 * The identity of a group: what it is called in Redis, where it is kept, and how it is shown.
 */
import { hash } from 'node:crypto';
import type { Labels } from './metric-family.ts';
import { encodeBase64Url } from './base64url.ts';
import { escapeName } from './escaped-name.ts';
import { formatSelector } from './format-selector.ts';
import { decodeLabels, encodeLabels, sortedUnique } from './labels.ts';

export { decodeLabels, encodeLabels } from './labels.ts';

/** `push`: its labels come from the path of a push. `ingest`: a label set of `POST /ingest`. */
export type GroupKind = 'push' | 'ingest';

export interface Group {
  kind: GroupKind;
  /** Sorted by name. For `push` they include the job, but not an instance that was added. */
  labels: Labels;
  /** 22 characters that are safe in keys and URLs. */
  id: string;
}

/** The same labels in any order make the same group; a push and an ingest group are never the same. */
export function makeGroup(kind: GroupKind, labels: Labels): Group {
  const unique = sortedUnique(labels);
  // The encoding is unambiguous, so two groups share an ID only if 128 bits of SHA-1 collide.
  const digest = hash('sha1', `${kind}${encodeLabels(unique)}`, 'buffer');
  return { kind, labels: unique, id: digest.subarray(0, 16).toString('base64url') };
}

/** Kind and labels in one string, as they are stored: `push ["job","a"]`. Orders groups, and no two groups have the same. */
export function groupOrder(kind: GroupKind, labels: Labels): string {
  return `${kind} ${encodeLabels(labels)}`;
}

/** The labels of such a string. */
export function labelsIn(order: string): Labels {
  return decodeLabels(order.slice(order.indexOf(' ') + 1));
}

/** Uniform, as the ID is a hash; and for ever the same, as stored groups are found again by it. */
export function shardOf(id: string, shards: number): number {
  return Buffer.from(id.slice(0, 8), 'base64url').readUInt32BE(0) % shards;
}

/** What the paths of groups begin with, wherever scrapes are served: it is written into clients. */
export const PUSH_PATH = '/metrics';

/** The path that means this group, for the page and for logs. An ingest group has none, and is shown as a selector. */
export function pathOf(group: Pick<Group, 'kind' | 'labels'>): string {
  if (group.kind === 'ingest') return `/ingest${formatSelector(group.labels)}`;
  const job = group.labels.find(([name]) => name === 'job')?.[1] ?? '';
  const others = group.labels.filter(([name]) => name !== 'job');
  return `${PUSH_PATH}${segments('job', job)}${others.map(([name, value]) => segments(escapeName(name, 'label'), value)).join('')}`;
}

/** As plain text where that works: not for what would be split, cleaned away, or empty. */
function segments(name: string, value: string): string {
  if (value === '') return `/${name}@base64/=`;
  if (value === '.' || value === '..' || value.includes('/')) return `/${name}@base64/${encodeBase64Url(value)}`;
  return `/${name}/${encodeURIComponent(value)}`;
}
