/** The page at /status: the state of the gateway, what is kept out of /metrics, the settings and the list of groups. */
import { describeConfig } from '../../../shared/config/describe.ts';
import { packageVersion } from '../../../shared/config/version.ts';
import { actionButton, cut, formatNumber, KEPT_OUT_REASONS, labelList, linkBase, plural } from './components.ts';
import { groupsList } from './groups-page.ts';
import { syncState, uptime, type Page, type PageContext } from './layout.ts';
import { markup, type Content, type Markup } from './markup.ts';

/** Number of kept-out families that are listed. */
const MAX_KEPT_OUT = 100;
const MAX_NAME_CHARS = 300;

export async function statusPage(
  context: PageContext,
  query: URLSearchParams,
  origin: string,
  nowMs: number,
): Promise<Page> {
  const { status, content } = await groupsList(context, '/status', query, origin, nowMs);
  const settings = Object.entries(describeConfig(context.config)).map(([name, value]): readonly [Content, Content] => {
    return [markup`<code>--${name}</code>`, markup`<code>${value}</code>`];
  });
  const page = markup`<h1>Status</h1>
${runtime(context, nowMs)}
${keptOut(context)}
<section><h2 id="settings">Settings</h2>
<p class="hint">The current value of each flag. Secrets are hidden.</p>
${pairs(settings)}</section>
<section><h2 id="groups">Groups</h2>${content}</section>`;
  return { status, title: 'Status', section: 'status', content: page };
}

function runtime(context: PageContext, nowMs: number): Markup {
  const { config, snapshot } = context;
  const { groups, families, series, bytes } = snapshot.stats;
  const wipe =
    config.web.enableAdminApi &&
    markup`<p>${actionButton({
      label: 'Delete all groups',
      method: 'PUT',
      path: `${linkBase(config)}/api/v1/admin/wipe`,
      what: `all ${plural(groups, 'group', 'groups')}`,
    })}</p>`;
  const counts = [
    plural(groups, 'group', 'groups'),
    plural(families, 'family', 'families'),
    plural(series, 'series', 'series'),
    formatKilobytes(bytes),
  ];
  return markup`<section><h2 id="gateway">Gateway</h2>
${pairs([
  ['Version', `pushgateway-redis ${packageVersion()}`],
  ['Node.js', process.version],
  ['Role', config.role],
  ['Uptime', uptime(context, nowMs)],
  ['Snapshot', syncState(context, nowMs)],
  ['Metrics', counts.join(', ')],
])}${wipe}</section>`;
}

function keptOut({ config, snapshot }: PageContext): Content {
  const count = snapshot.stats.keptOut;
  if (count === 0) return undefined;
  const rows = snapshot.keptOut(MAX_KEPT_OUT).map(({ family, groupId, labels, reason }) => {
    return markup`<tr><th scope="row"><code>${cut(family, MAX_NAME_CHARS)}</code></th><td><a href="${linkBase(config)}/?group=${groupId}">${labelList(labels, { isShort: true })}</a></td><td>${KEPT_OUT_REASONS[reason]}</td></tr>
`;
  });
  return markup`<section><h2 id="kept-out">Kept out of <code>${config.paths.metrics}</code></h2>
<p class="hint">These families conflict with what other groups pushed earlier. They are exposed as soon as the conflict is gone.</p>
<div class="scroll"><table class="stack"><thead><tr><th scope="col">Family</th><th scope="col">Group</th><th scope="col">Reason</th></tr></thead><tbody>
${rows}</tbody></table></div>
${count > MAX_KEPT_OUT && markup`<p class="hint">and ${plural(count - MAX_KEPT_OUT, 'more', 'more')}</p>`}</section>`;
}

function pairs(rows: readonly (readonly [Content, Content])[]): Markup {
  return markup`<div class="scroll"><table class="pairs stack"><tbody>
${rows.map(([name, value]) => markup`<tr><th scope="row">${name}</th><td>${value}</td></tr>\n`)}</tbody></table></div>`;
}

function formatKilobytes(bytes: number): string {
  return bytes < 1_000 ? `${bytes} B` : `${formatNumber(Math.round(bytes / 1_000))} kB`;
}
