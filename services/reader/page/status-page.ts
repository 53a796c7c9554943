/** The page of the gateway itself: how it runs, what is kept out of /metrics, its settings. The groups follow, as on the first page. */
import { describeConfig } from '../../../shared/config/describe.ts';
import { packageVersion } from '../../../shared/config/version.ts';
import { escaped } from '../../../shared/model/quote.ts';
import { KEPT_OUT } from '../query/groups-summary.ts';
import { groupsList } from './groups-page.ts';
import { counted, number, syncState, type Page, type PageContext } from './layout.ts';
import { markup, type Content, type Markup } from './markup.ts';
import { actionButton, labelsOf, linkBase } from './components.ts';
import { absolute, span } from './time.ts';

/** So many families that are kept out are listed. */
const MAX_KEPT_OUT = 100;

export function statusPage(context: PageContext, query: URLSearchParams, origin: string, nowMs: number): Page {
  const { config } = context;
  const { status, content } = groupsList(context, '/status', query, origin, nowMs);
  const page = markup`<h1>Status</h1>
${runtime(context, nowMs)}
${keptOut(context)}
<section><h2 id="settings">Settings</h2>
<p class="hint">As flags, with the values in force. Secrets are not shown.</p>
${pairs(Object.entries(describeConfig(config)).map(([name, value]) => [markup`<code>--${name}</code>`, markup`<code>${value}</code>`]))}</section>
<section><h2 id="groups">Groups</h2>${content}</section>`;
  return { status, title: 'Status', part: 'status', content: page };
}

function runtime(context: PageContext, nowMs: number): Markup {
  const { config, snapshot, startedAt } = context;
  const { groups, families, series, bytes } = snapshot.stats;
  const started = startedAt.getTime();
  const wipe =
    config.web.enableAdminApi &&
    markup`<p>${actionButton({
      label: 'Delete all groups',
      method: 'PUT',
      path: `${linkBase(config)}/api/v1/admin/wipe`,
      what: `all ${counted(groups, 'group', 'groups')}`,
    })}</p>`;
  return markup`<section><h2 id="running">Running</h2>
${pairs([
  ['Version', `pushgateway-redis ${packageVersion()}`],
  ['Node', process.version],
  ['Role', config.role],
  ['Up', `${span(nowMs - started)}, since ${absolute(started)}`],
  ['Snapshot', syncState(context, nowMs)],
  [
    'Serves',
    `${counted(groups, 'group', 'groups')}, ${counted(families, 'family', 'families')}, ${counted(series, 'series', 'series')}, ${kilobytes(bytes)}`,
  ],
])}${wipe}</section>`;
}

function keptOut({ config, snapshot }: PageContext): Content {
  const all = snapshot.keptOut();
  if (all.length === 0) return undefined;
  const rows = all.slice(0, MAX_KEPT_OUT).map(({ family, groupId, labels, reason }) => {
    return markup`<tr><th scope="row"><code>${escaped(family)}</code></th><td><a href="${linkBase(config)}/?group=${groupId}">${labelsOf(labels, { isShort: true })}</a></td><td>${KEPT_OUT[reason]}</td></tr>
`;
  });
  return markup`<section><h2 id="kept-out">Kept out of <code>${config.paths.metrics}</code></h2>
<p class="hint">These contradict what other groups pushed before. They come back by themselves when the contradiction is gone.</p>
<div class="scroll"><table><thead><tr><th scope="col">Family</th><th scope="col">Group</th><th scope="col">Reason</th></tr></thead><tbody>
${rows}</tbody></table></div>
${all.length > MAX_KEPT_OUT && markup`<p class="hint">and ${counted(all.length - MAX_KEPT_OUT, 'more', 'more')}</p>`}</section>`;
}

function pairs(rows: readonly (readonly [Content, Content])[]): Markup {
  return markup`<div class="scroll"><table class="pairs"><tbody>
${rows.map(([name, value]) => markup`<tr><th scope="row">${name}</th><td>${value}</td></tr>\n`)}</tbody></table></div>`;
}

function kilobytes(bytes: number): string {
  return bytes < 1_000 ? `${bytes} B` : `${number(Math.round(bytes / 1_000))} kB`;
}
