/** The page with the list of groups, searched and in pages. */
import { GatewayError } from '../../../shared/errors.ts';
import { PUSH_PATH } from '../../../shared/model/group.ts';
import type { SnapshotGroup } from '../snapshot/groups.ts';
import { countsOf, hasFailed } from '../query/group-summary.ts';
import type { ListedGroup } from '../query/group-index.ts';
import { filterGroups, type GroupFilter } from '../query/list-groups.ts';
import { parseSelector } from '../query/selector.ts';
import { deleteButton, displayedPrefix, formatNumber, groupLink, labelList, linkBase, plural } from './components.ts';
import type { Page, PageContext } from './layout.ts';
import { markup, type Content, type Markup } from './markup.ts';
import { relativeTime, timeWithDate } from './time.ts';

const GROUPS_PER_PAGE = 50;

/** `origin` is the URL at which the gateway was reached; an example command uses it. */
export async function groupsPage(
  context: PageContext,
  query: URLSearchParams,
  origin: string,
  nowMs: number,
): Promise<Page> {
  const { status, content } = await groupsList(context, '/', query, origin, nowMs);
  const text = query.get('q') ?? '';
  const title = text === '' ? 'Groups' : `Groups: ${text}`;
  return { status, title, section: 'groups', content: markup`<h1>Groups</h1>${content}` };
}

/** Search form and list. `path` is that of the page they are on. */
export async function groupsList(
  context: PageContext,
  path: string,
  query: URLSearchParams,
  origin: string,
  nowMs: number,
): Promise<Pick<Page, 'status' | 'content'>> {
  const { config, feed, index, snapshot } = context;
  const action = linkBase(config) + path;
  const text = (query.get('q') ?? '').trim();
  const failed = query.get('failed') === 'true';
  if (!feed.isComplete) return { status: 503, content: undefined };
  const all = await index.groups();
  const found = await findGroups(context, all, text, failed);
  if (typeof found === 'string') {
    const fault = markup`<p class="notice bad" id="fault">${found}</p>`;
    return { status: 400, content: [searchForm(action, text, failed, true), fault] };
  }
  if (all.length === 0) return { status: 200, content: noGroups(context, origin) };
  const pages = Math.max(1, Math.ceil(found.length / GROUPS_PER_PAGE));
  const page = Math.min(pages, Math.max(1, Number.parseInt(query.get('page') ?? '', 10) || 1));
  const start = (page - 1) * GROUPS_PER_PAGE;
  // A group may be gone since the search began.
  const shown = found.slice(start, start + GROUPS_PER_PAGE).filter(({ group }) => snapshot.get(group.id) === group);
  const range = pages > 1 && `, ${formatNumber(start + 1)} to ${formatNumber(start + shown.length)} shown`;
  const ofAll = found !== all && `${formatNumber(found.length)} of `;
  const pager = pages > 1 && pageLinks(action, { q: text, failed }, page, pages);
  const content = [
    searchForm(action, text, failed, false),
    markup`<div class="bar"><p class="count">${ofAll}${plural(all.length, 'group', 'groups')}${range}</p>${pager}</div>`,
    shown.length === 0
      ? markup`<p class="empty">No groups match. <a href="${action}">Show all groups</a></p>`
      : markup`<ul class="groups">${shown.map(({ group }) => groupItem(context, group, nowMs))}</ul>`,
    pager && markup`<div class="bar">${pager}</div>`,
  ];
  return { status: 200, content };
}

/**
 * A text that begins with a brace, or that is a valid selector, is a selector; any other text is searched for in the
 * labels. Returns an error message if the selector cannot be used.
 */
async function findGroups(
  { patterns }: PageContext,
  all: readonly ListedGroup[],
  text: string,
  failed: boolean,
): Promise<readonly ListedGroup[] | string> {
  const filtered = async (filterOf: () => GroupFilter): Promise<readonly ListedGroup[] | string> => {
    try {
      return await filterGroups(all, { ...filterOf(), failed }, patterns);
    } catch (thrown) {
      if (!(thrown instanceof GatewayError)) throw thrown;
      return thrown.message;
    }
  };
  if (text === '') return await filtered(() => ({}));
  const selected = await filtered(() => ({ selectors: [parseSelector(text)] }));
  return typeof selected === 'string' && !text.startsWith('{') ? await filtered(() => ({ text })) : selected;
}

function searchForm(action: string, text: string, failed: boolean, isInvalid: boolean): Markup {
  return markup`<form class="search" role="search" action="${action}">
<label for="q">Search groups by label</label>
<input type="search" id="q" name="q" value="${text}" maxlength="2000" autocomplete="off" autocapitalize="off" spellcheck="false" placeholder="backup, or {job=&quot;backup&quot;, instance=~&quot;db-.*&quot;}"${isInvalid && markup` aria-invalid="true" aria-describedby="fault"`}>
<label class="check"><input type="checkbox" name="failed" value="true"${failed && markup` checked`}> failed only</label>
<button>Search</button>
</form>`;
}

function pageLinks(action: string, search: { q: string; failed: boolean }, page: number, pages: number): Markup {
  const link = (to: number, name: string, rel?: Content): Markup => {
    if (to < 1 || to > pages || to === page) return markup`<span aria-disabled="true">${name}</span>`;
    const query = new URLSearchParams();
    if (search.q !== '') query.set('q', search.q);
    if (search.failed) query.set('failed', 'true');
    if (to > 1) query.set('page', String(to));
    return markup`<a href="${action}${query.size === 0 ? '' : `?${query.toString()}`}"${rel}>${name}</a>`;
  };
  return markup`<nav class="pages" aria-label="Pages">${link(1, 'First')} ${link(page - 1, 'Previous', markup` rel="prev"`)} <span class="page">Page ${formatNumber(page)} of ${formatNumber(pages)}</span> ${link(page + 1, 'Next', markup` rel="next"`)} ${link(pages, 'Last')}</nav>`;
}

function groupItem({ config }: PageContext, group: SnapshotGroup, nowMs: number): Markup {
  const failed = hasFailed(group);
  return markup`<li class="group${failed && ' failed'}">
<h2><a href="${groupLink(config, group)}">${labelList(group.labels, { isShort: true })}</a></h2>
<p class="facts">${facts(group, nowMs)}</p>
${failed && markup`<p class="failure"><strong>Last push failed</strong> ${timeWithDate(group.record.failedMs, nowMs)}</p>`}
${deleteButton(config, group, { isShort: true })}
</li>
`;
}

function facts(group: SnapshotGroup, nowMs: number): Content {
  const { kind, pushedMs, untilMs } = group.record;
  const { families, series, keptOut } = countsOf(group);
  return [
    kind === 'ingest' && markup`<span class="badge" title="A series of POST /ingest">ingest</span> `,
    pushedMs === 0 ? 'Never pushed successfully' : markup`Pushed ${timeWithDate(pushedMs, nowMs)}`,
    ` · ${plural(families, 'family', 'families')}, ${plural(series, 'series', 'series')}`,
    keptOut > 0 && markup` · <strong class="warn">${keptOut} kept out</strong>`,
    untilMs === 0 ? ' · never expires' : markup` · expires ${relativeTime(untilMs, nowMs)}`,
  ];
}

function noGroups({ config }: PageContext, origin: string): Markup {
  const url = `${origin}${displayedPrefix(config)}${PUSH_PATH}/job/some_job`;
  return markup`<div class="empty"><p><strong>Nothing has been pushed yet</strong>, or everything has expired.</p>
<p>Push a first metric:</p>
<pre><code>echo "some_metric 3.14" | curl --data-binary @- ${url}</code></pre></div>`;
}
