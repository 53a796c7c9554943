/** The frame of every page: head, navigation, notices and footer. */
import { packageVersion } from '../../../shared/config/version.ts';
import type { Config } from '../../../shared/config/config.ts';
import type { ChangeFeed } from '../../../shared/redis/changes/change-feed.ts';
import type { GroupIndex } from '../query/group-index.ts';
import type { PatternMatcher } from '../query/pattern-matcher.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { Assets } from './assets.ts';
import { linkBase, plural } from './components.ts';
import { markup, type Content, type Markup } from './markup.ts';
import { absoluteTime, formatSpan, relativeTime } from './time.ts';

/** What the pages are made from. */
export interface PageContext {
  readonly config: Config;
  readonly snapshot: Snapshot;
  readonly index: GroupIndex;
  readonly patterns: PatternMatcher;
  readonly feed: Pick<ChangeFeed, 'isComplete' | 'lastCompleteMs'>;
  readonly assets: Assets;
  readonly startedAt: Date;
}

export interface Page {
  readonly status: number;
  readonly title: string;
  /** The entry of the navigation that is highlighted. */
  readonly section: 'groups' | 'status';
  readonly content: Content;
}

/** Age of the last answer from which Redis counts as unreachable, ms. The change feed polls each second. */
const OUT_OF_SYNC_MS = 5_000;

export function renderPage(page: Page, context: PageContext, nowMs: number): string {
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
<nav aria-label="Main">${nav('/', 'Groups', page.section === 'groups')} ${nav('/status', 'Status', page.section === 'status')} ${nav(config.paths.metrics, 'Metrics')} ${nav(config.paths.telemetry, 'Telemetry')}</nav>
</header>
<main id="content" tabindex="-1">
<p id="message" class="notice" role="status" hidden></p>
${notices(page, context, nowMs)}
${page.content}
</main>
<footer>
<p>pushgateway-redis ${packageVersion()} · up ${uptime(context, nowMs)} · ${syncState(context, nowMs)}</p>
</footer>
</body>
</html>
`.text;
}

function notices({ section }: Page, { feed, snapshot, config }: PageContext, nowMs: number): Content {
  const { keptOut } = snapshot.stats;
  return [
    isOutOfSync(feed, nowMs) &&
      markup`<p class="notice bad"><strong>Redis is unreachable.</strong> The groups are shown as of ${relativeTime(feed.lastCompleteMs, nowMs)}. Scrapes still get them, and they still expire.</p>`,
    !feed.isComplete &&
      markup`<p class="notice bad"><strong>Not loaded yet.</strong> The groups are being loaded from Redis. Scrapes get an error until that is complete.</p>`,
    keptOut > 0 &&
      section === 'groups' &&
      markup`<p class="notice warn"><strong>${plural(keptOut, 'family is', 'families are')} kept out of <code>${config.paths.metrics}</code></strong> because of conflicts with what other groups pushed earlier. <a href="${linkBase(config)}/status#kept-out">Show details</a></p>`,
  ];
}

function isOutOfSync(feed: PageContext['feed'], nowMs: number): boolean {
  return feed.isComplete && nowMs - feed.lastCompleteMs > OUT_OF_SYNC_MS;
}

/** `1 h 5 min, since 2024-05-01 10:59:02 UTC`. */
export function uptime({ startedAt }: PageContext, nowMs: number): string {
  const startedMs = startedAt.getTime();
  return `${formatSpan(nowMs - startedMs)}, since ${absoluteTime(startedMs)}`;
}

export function syncState({ feed }: PageContext, nowMs: number): Content {
  if (!feed.isComplete) return 'not yet in sync with Redis';
  return isOutOfSync(feed, nowMs)
    ? markup`last in sync with Redis ${relativeTime(feed.lastCompleteMs, nowMs)}`
    : 'in sync with Redis';
}
