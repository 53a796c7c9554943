/** Links, labels and buttons that several pages have in common. */
import type { Config } from '../../../shared/config/config.ts';
import { formatLabelName, formatSelector } from '../../../shared/model/format-selector.ts';
import { groupPath } from '../../../shared/model/group.ts';
import type { Labels } from '../../../shared/model/metric-family.ts';
import { escaped } from '../../../shared/model/quote.ts';
import type { KeptOut, SnapshotGroup } from '../snapshot/groups.ts';
import { jobFirst } from '../query/group-index.ts';
import { markup, type Content, type Markup } from './markup.ts';

/** Limits on the number of labels, and on the characters of a value: in lists, and on the group's own page. */
const SHORT = { labels: 10, value: 80 } as const;
const LONG = { labels: 100, value: 5_000 } as const;
/** Limits in characters. */
const SHORT_PATH = 500;
const MAX_NAME = 300;

/** Why a family of a group is kept out of /metrics. */
export const KEPT_OUT_REASONS: Readonly<Record<KeptOut, string>> = {
  type: 'another group pushed this family earlier with a different type',
  duplicate: 'another group pushed the same series earlier',
  clash: 'a summary or histogram has series of the same name',
};

/** Each value in an element that isolates its writing direction. Invisible characters are escaped. */
export function labelList(labels: Labels, { isShort = false } = {}): Content {
  if (labels.length === 0) return markup`<span class="label none">no labels</span>`;
  const ordered = jobFirst(labels);
  const max = isShort ? SHORT : LONG;
  const shown = ordered.slice(0, max.labels);
  const left = ordered.length - shown.length;
  return [
    shown.map(([name, value]) => {
      const label = formatLabelName(name.slice(0, max.value));
      return markup`<span class="label">${label}="<bdi>${cut(value, max.value)}</bdi>"</span> `;
    }),
    left > 0 && markup`<span class="label none">and ${left} more</span>`,
  ];
}

/** The text with invisible characters escaped; its beginning if it is longer than `max`. */
export function cut(text: string, max: number): string {
  return text.length > max ? `${escaped(text.slice(0, max))}…` : escaped(text);
}

/** The group's labels as a selector of limited length, for titles and questions. */
export function groupName(group: SnapshotGroup): string {
  const labels = jobFirst(group.labels).slice(0, SHORT.labels);
  const name = formatSelector(labels.map(([label, value]) => [label, value.slice(0, MAX_NAME)]));
  return name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}…` : name;
}

/**
 * What every link begins with. Without an external URL, links are relative: they then work below the route prefix, and
 * behind a proxy that strips a prefix we do not know. All pages have the same depth.
 */
export function linkBase({ web }: Config): string {
  return web.externalPrefix || '.';
}

/** Prefix of displayed paths, as far as it is known. */
export function displayedPrefix({ web }: Config): string {
  return web.externalPrefix || web.routePrefix;
}

export function groupLink(config: Config, { id }: SnapshotGroup): string {
  return `${linkBase(config)}/?group=${id}`;
}

/** Where the group is pushed to and deleted, without a prefix. */
export function pushPath(group: Pick<SnapshotGroup, 'labels' | 'record'>): string {
  return groupPath({ kind: group.record.kind, labels: group.labels });
}

/** Series of /ingest have no path, so no button. A list has none either if the path is very long. */
export function deleteButton(config: Config, group: SnapshotGroup, { isShort = false } = {}): Content {
  if (group.record.kind !== 'push' || (isShort && group.order.length > SHORT_PATH)) return undefined;
  const path = linkBase(config) + pushPath(group);
  if (isShort && path.length > SHORT_PATH) return undefined;
  return actionButton({ label: 'Delete', method: 'DELETE', path, what: `the group ${groupName(group)}` });
}

interface Action {
  readonly label: string;
  readonly method: 'DELETE' | 'PUT';
  readonly path: string;
  /** What is deleted, for the confirmation. */
  readonly what: string;
}

/** Hidden until the script (static/page.js) makes it work, because a form cannot send these methods. */
export function actionButton({ label, method, path, what }: Action): Markup {
  return markup`<button type="button" class="danger" data-method="${method}" data-path="${path}" data-what="${what}" hidden>${label}</button>`;
}

/** `10,000 groups`, without a line break after the number. */
export function plural(count: number, one: string, many: string): string {
  return `${formatNumber(count)}\u00a0${count === 1 ? one : many}`;
}

/** `10,000`. Intl takes longer for its first number than the rest of the page. */
export function formatNumber(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}
