/** Parts of a group that several pages show. */
import type { Config } from '../../../shared/config/config.ts';
import type { Labels } from '../../../shared/model/metric-family.ts';
import { escaped } from '../../../shared/model/quote.ts';
import { pathOf } from '../../../shared/model/group.ts';
import type { SnapshotGroup } from '../snapshot/groups.ts';
import { jobFirst } from '../query/list-groups-index.ts';
import { markup, type Content, type Markup } from './markup.ts';
import { formatLabelName, formatSelector } from '../../../shared/model/format-selector.ts';

/** In lists, labels are cut to these; all of them are on the group's own page. */
const SHORT_LABELS = 10;
const SHORT_VALUE = 80;
const SHORT_PATH = 500;

/** Values stand for themselves whatever direction they are written in: what cannot be seen is escaped, the rest isolated. */
export function labelsOf(labels: Labels, { isShort = false } = {}): Content {
  if (labels.length === 0) return markup`<span class="label none">no labels</span>`;
  const ordered = jobFirst(labels);
  const shown = isShort ? ordered.slice(0, SHORT_LABELS) : ordered;
  const left = ordered.length - shown.length;
  return [
    shown.map(([name, value]) => {
      const cut = isShort && value.length > SHORT_VALUE ? `${escaped(value.slice(0, SHORT_VALUE))}…` : escaped(value);
      return markup`<span class="label">${formatLabelName(name)}="<bdi>${cut}</bdi>"</span> `;
    }),
    left > 0 && markup`<span class="label none">and ${left} more</span>`,
  ];
}

/** For a title or a question: of bounded length. */
export function nameOf(group: SnapshotGroup): string {
  const name = formatSelector(jobFirst(group.labels).slice(0, SHORT_LABELS));
  return name.length > 300 ? `${name.slice(0, 300)}…` : name;
}

/**
 * What every link of the page begins with. Without an external URL, links are relative: the page then works below the route prefix, and behind a
 * proxy that takes a prefix away and has told nobody. All pages are of one depth.
 */
export function linkBase({ web }: Config): string {
  return web.externalPrefix || '.';
}

/** For people to copy: what stands before our paths, as far as we know. */
export function shownPrefix({ web }: Config): string {
  return web.externalPrefix || web.routePrefix;
}

export function groupLink(config: Config, { id }: SnapshotGroup): string {
  return `${linkBase(config)}/?group=${id}`;
}

/** Where the group is pushed to and deleted, below a prefix. */
export function pushPath(group: Pick<SnapshotGroup, 'labels' | 'record'>): string {
  return pathOf({ kind: group.record.kind, labels: group.labels });
}

/** Not for a series of /ingest, which has no path; nor in a list when the path would fill it. */
export function deleteButton(config: Config, group: SnapshotGroup, { isShort = false } = {}): Content {
  if (group.record.kind !== 'push') return undefined;
  const path = linkBase(config) + pushPath(group);
  if (isShort && path.length > SHORT_PATH) return undefined;
  return actionButton({ label: 'Delete', method: 'DELETE', path, what: `the group ${nameOf(group)}` });
}

interface Action {
  readonly label: string;
  readonly method: 'DELETE' | 'PUT';
  readonly path: string;
  /** What would be deleted. */
  readonly what: string;
}

/** Shown by the script alone (static/page.js), since nothing else can send such a request. */
export function actionButton({ label, method, path, what }: Action): Markup {
  return markup`<button type="button" class="danger" data-method="${method}" data-path="${path}" data-what="${what}" hidden>${label}</button>`;
}
