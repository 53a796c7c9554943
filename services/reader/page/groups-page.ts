/** The page of all groups: searched, and in parts. */
import { GatewayError } from '../../../shared/errors.ts';
import { PUSH_PATH } from '../../../shared/model/group.ts';
import type { SnapshotGroup } from '../snapshot/groups.ts';
import { countsOf } from '../query/groups-summary.ts';
import { filterGroups, hasFailed, type GroupFilter } from '../query/list-groups.ts';
import { counted, number, type Page, type PageContext } from './layout.ts';
import { markup, type Content, type Markup } from './markup.ts';
import { deleteButton, groupLink, labelsOf, linkBase, shownPrefix } from './components.ts';
import { absolute, relative } from './time.ts';
import { parseSelector } from '../query/selector.ts';

const GROUPS_A_PAGE = 50;

/** `origin` is where the gateway was reached, for the command that a newcomer is shown. */
export function groupsPage(context: PageContext, query: URLSearchParams, origin: string, nowMs: number): Page {
  const { status, content } = groupsList(context, '/', query, origin, nowMs);
  const title = query.get('q') === null || query.get('q') === '' ? 'Groups' : `Groups: ${query.get('q')}`;
  return { status, title, part: 'groups', content: markup`<h1>Groups</h1>${content}` };
}

/** Search field and list. `path` is that of the page it is on. */
export function groupsList(
  context: PageContext,
  path: string,
  query: URLSearchParams,
  origin: string,
  nowMs: number,
): Pick<Page, 'status' | 'content'> {
  const { config, feed, index } = context;
  const action = linkBase(config) + path;
  const text = (query.get('q') ?? '').trim();
  const failed = query.get('failed') === 'true';
  if (!feed.isComplete) return { status: 503, content: undefined };
  const all = index.groups();
  const search = readSearch(text, failed);
  if (typeof search === 'string') {
    const fault = markup`<p class="notice bad" id="fault">${search}</p>`;
    return { status: 400, content: [searchForm(action, text, failed, true), fault] };
  }
  const found = filterGroups(all, search);
  const pages = Math.max(1, Math.ceil(found.length / GROUPS_A_PAGE));
  const page = Math.min(pages, Math.max(1, Number.parseInt(query.get('page') ?? '', 10) || 1));
  const start = (page - 1) * GROUPS_A_PAGE;
  const shown = found.slice(start, start + GROUPS_A_PAGE);
  const isSearch = found !== all;
  const position =
    shown.length === found.length ? undefined : markup`, ${number(start + 1)} to ${number(start + shown.length)} shown`;
  const count = isSearch
    ? `${number(found.length)} of ${counted(all.length, 'group', 'groups')}`
    : counted(found.length, 'group', 'groups');
  const pager = pages > 1 && pageLinks(action, { q: text, failed }, page, pages);
  const list =
    all.length === 0
      ? emptyGateway(context, origin)
      : shown.length === 0
        ? markup`<p class="empty">No group is like that. <a href="${action}">Show all groups</a></p>`
        : markup`<ul class="groups">${shown.map(({ group }) => groupItem(context, group, nowMs))}</ul>`;
  const content = [
    all.length > 0 && searchForm(action, text, failed, false),
    all.length > 0 && markup`<div class="bar"><p class="count">${count}${position}</p>${pager}</div>`,
    list,
    pager && markup`<div class="bar">${pager}</div>`,
  ];
  return { status: 200, content };
}

/**
 * One field for both: what begins with a brace is a selector, and so is whatever reads as one; all else is looked for in the
 * labels. Returns what is wrong with a selector.
 */
function readSearch(text: string, failed: boolean): GroupFilter | string {
  if (text === '') return { failed };
  try {
    return { selectors: [parseSelector(text)], failed };
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown;
    return text.startsWith('{') ? thrown.message : { text, failed };
  }
}

function searchForm(action: string, text: string, failed: boolean, isFaulty: boolean): Markup {
  return markup`<form class="search" role="search" action="${action}">
<label for="q">Search the labels of groups</label>
<input type="search" id="q" name="q" value="${text}" maxlength="2000" autocomplete="off" autocapitalize="off" spellcheck="false" placeholder="backup, or {job=&quot;backup&quot;, instance=~&quot;db-.*&quot;}"${isFaulty && markup` aria-invalid="true" aria-describedby="fault"`}>
<label class="check"><input type="checkbox" name="failed" value="true"${failed && markup` checked`}> failed only</label>
<button>Search</button>
</form>`;
}

function pageLinks(action: string, search: { q: string; failed: boolean }, page: number, pages: number): Markup {
  const link = (to: number, name: string, rel: Content): Markup => {
    if (to < 1 || to > pages || to === page) return markup`<span aria-disabled="true">${name}</span>`;
    const query = new URLSearchParams();
    if (search.q !== '') query.set('q', search.q);
    if (search.failed) query.set('failed', 'true');
    if (to > 1) query.set('page', String(to));
    return markup`<a href="${action}${query.size === 0 ? '' : `?${query.toString()}`}"${rel}>${name}</a>`;
  };
  return markup`<nav class="pages" aria-label="Pages">${link(1, 'First', undefined)} ${link(page - 1, 'Previous', markup` rel="prev"`)} <span class="page">Page ${number(page)} of ${number(pages)}</span> ${link(page + 1, 'Next', markup` rel="next"`)} ${link(pages, 'Last', undefined)}</nav>`;
}

function groupItem({ config }: PageContext, group: SnapshotGroup, nowMs: number): Markup {
  const failed = hasFailed(group);
  return markup`<li class="group${failed && ' failed'}">
<h2><a href="${groupLink(config, group)}">${labelsOf(group.labels, { isShort: true })}</a></h2>
<p class="facts">${facts(group, nowMs)}</p>
${failed && markup`<p class="failure"><strong>Last push failed</strong> ${relative(group.record.failedMs, nowMs)} <small>${absolute(group.record.failedMs)}</small></p>`}
${deleteButton(config, group, { isShort: true })}
</li>
`;
}

function facts(group: SnapshotGroup, nowMs: number): Content {
  const { kind, pushedMs, untilMs } = group.record;
  const { families, series, keptOut } = countsOf(group);
  return [
    kind === 'ingest' && markup`<span class="badge" title="One series of POST /ingest">ingest</span> `,
    pushedMs === 0
      ? 'Never pushed with success'
      : markup`Pushed ${relative(pushedMs, nowMs)} <small>${absolute(pushedMs)}</small>`,
    ` · ${counted(families, 'family', 'families')}, ${counted(series, 'series', 'series')}`,
    keptOut > 0 && markup` · <strong class="warn">${keptOut} kept out</strong>`,
    untilMs === 0 ? ' · never expires' : markup` · expires ${relative(untilMs, nowMs)}`,
  ];
}

function emptyGateway({ config }: PageContext, origin: string): Markup {
  const url = `${origin}${shownPrefix(config)}${PUSH_PATH}/job/some_job`;
  return markup`<div class="empty"><p><strong>Nothing has been pushed yet</strong>, or all of it has expired.</p>
<p>To push a first metric:</p>
<pre><code>echo "some_metric 3.14" | curl --data-binary @- ${url}</code></pre></div>`;
}
