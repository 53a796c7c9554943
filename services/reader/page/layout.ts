/** What all pages have in common: head, navigation, notices, footer. */
import { packageVersion } from '../../../shared/config/version.ts';
import type { Config } from '../../../shared/config/config.ts';
import type { ChangeFeed } from '../../../shared/redis/changes/change-feed.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { Assets } from './assets.ts';
import type { GroupIndex } from '../query/list-groups-index.ts';
import { markup, type Content, type Markup } from './markup.ts';
import { linkBase } from './components.ts';
import { absolute, relative, span } from './time.ts';

/** Everything that a page shows something of. */
export interface PageContext {
  readonly config: Config;
  readonly snapshot: Snapshot;
  readonly index: GroupIndex;
  readonly feed: Pick<ChangeFeed, 'isComplete' | 'lastCompleteMs'>;
  readonly assets: Assets;
  readonly startedAt: Date;
}

export interface Page {
  readonly status: number;
  readonly title: string;
  /** Which part of the navigation this belongs to. */
  readonly part: 'groups' | 'status';
  readonly content: Content;
}

/** The feed polls each second: when nothing came for so long, Redis is out of reach. */
const OUT_OF_SYNC_MS = 5_000;

export function documentOf(page: Page, context: PageContext, nowMs: number): Markup {
  const { config, assets } = context;
  const base = linkBase(config);
  const nav = (path: string, name: string, isCurrent = false): Markup =>
    markup`<a href="${base + path}"${isCurrent && markup` aria-current="page"`}>${name}</a>`;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${page.title} · Pushgateway</title>
<link rel="icon" href="${base + assets.pathOf('icon.svg')}" type="image/svg+xml">
<link rel="stylesheet" href="${base + assets.pathOf('page.css')}">
<script src="${base + assets.pathOf('page.js')}" defer></script>
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
<header class="top">
<a class="brand" href="${base}/">Pushgateway</a>
<nav aria-label="Main">${nav('/', 'Groups', page.part === 'groups')} ${nav('/status', 'Status', page.part === 'status')} ${nav(config.paths.metrics, 'Metrics')} ${nav(config.paths.telemetry, 'Telemetry')}</nav>
</header>
<main id="content" tabindex="-1">
<p id="message" class="notice" role="status" hidden></p>
${notices(page, context, nowMs)}
${page.content}
</main>
<footer>
<p>pushgateway-redis ${packageVersion()} · up ${span(nowMs - context.startedAt.getTime())}, since ${absolute(context.startedAt.getTime())} · ${syncState(context, nowMs)}</p>
</footer>
</body>
</html>
`;
}

function notices({ part }: Page, { feed, snapshot, config }: PageContext, nowMs: number): Content {
  const { keptOut } = snapshot.stats;
  return [
    isOutOfSync(feed, nowMs) &&
      markup`<p class="notice bad"><strong>Redis is out of reach.</strong> What you see is as of ${relative(feed.lastCompleteMs, nowMs)}; it is still served, and still expires when it is due.</p>`,
    !feed.isComplete &&
      markup`<p class="notice bad"><strong>Not loaded yet.</strong> The groups in Redis are being read; nothing is served before that is done.</p>`,
    keptOut > 0 &&
      part === 'groups' &&
      markup`<p class="notice warn"><strong>${counted(keptOut, 'family is', 'families are')} kept out of <code>${config.paths.metrics}</code>,</strong> because ${keptOut === 1 ? 'it contradicts' : 'they contradict'} what other groups pushed before. <a href="${linkBase(config)}/status#kept-out">See which, and why</a></p>`,
  ];
}

function isOutOfSync(feed: PageContext['feed'], nowMs: number): boolean {
  return feed.isComplete && nowMs - feed.lastCompleteMs > OUT_OF_SYNC_MS;
}

export function syncState({ feed }: PageContext, nowMs: number): Content {
  if (!feed.isComplete) return 'not yet in sync with Redis';
  return isOutOfSync(feed, nowMs)
    ? markup`last in sync with Redis ${relative(feed.lastCompleteMs, nowMs)}`
    : 'in sync with Redis';
}

export function counted(count: number, one: string, many: string): string {
  // Not broken between number and word.
  return `${number(count)}\u00a0${count === 1 ? one : many}`;
}

/** `10,000`. Intl would take longer for its first number than for the page. */
export function number(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}
