/** The page of one group: its families, with their samples. */
import type { Config } from '../../../shared/config/config.ts';
import type { Labels } from '../../../shared/model/metric-family.ts';
import { escaped } from '../../../shared/model/quote.ts';
import { parseText } from '../../../shared/exposition/text/parse-text.ts';
import type { Holding, SnapshotGroup } from '../snapshot/groups.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { holdingsOf, KEPT_OUT } from '../query/groups-summary.ts';
import { hasFailed } from '../query/list-groups.ts';
import { counted, type Page, type PageContext } from './layout.ts';
import { markup, type Content, type Markup } from './markup.ts';
import { deleteButton, groupLink, labelsOf, linkBase, nameOf, pushPath, shownPrefix } from './components.ts';
import { absolute, relative } from './time.ts';
import { formatSelector } from '../../../shared/model/format-selector.ts';

/** So many sample lines are shown of a group, and of a family that is asked for. */
const MAX_SAMPLES = 500;
const MAX_SAMPLES_OF_ONE = 5_000;
/** A group with more than this comes with its families closed. */
const OPEN_UP_TO = 60;

export function groupPage(context: PageContext, id: string, family: string | null, nowMs: number): Page {
  const { config, snapshot } = context;
  const group = snapshot.get(id);
  const back = markup`<p class="back"><a href="${linkBase(config)}/">← All groups</a></p>`;
  if (group === undefined) {
    const content = markup`${back}<h1>No such group</h1><p>It was deleted or has expired, or the link is wrong.</p>`;
    return { status: 404, title: 'No such group', part: 'groups', content };
  }
  const failed = hasFailed(group);
  const content = markup`${back}
<article class="group${failed && ' failed'}">
<h1>${labelsOf(group.labels)}</h1>
${failed && markup`<p class="notice bad"><strong>The last push failed</strong> ${relative(group.record.failedMs, nowMs)}; what is shown is from before.</p>`}
${factList(config, group, nowMs)}
<p class="actions">${deleteButton(config, group)} <a href="${linkBase(config)}/api/v1/groups/${id}">As JSON</a></p>
${families(config, snapshot, group, family)}
</article>`;
  return { status: 200, title: nameOf(group), part: 'groups', content };
}

function factList(config: Config, group: SnapshotGroup, nowMs: number): Markup {
  const { kind, pushedMs, failedMs, untilMs } = group.record;
  const time = (ms: number, never: string): Content =>
    ms === 0 ? never : markup`${relative(ms, nowMs)} <small>${absolute(ms)}</small>`;
  return markup`<dl class="facts">
<div><dt>Last push</dt><dd>${time(pushedMs, 'never with success')}</dd></div>
${failedMs > 0 && markup`<div><dt>Last failure</dt><dd>${time(failedMs, '')}</dd></div>`}
<div><dt>Expires</dt><dd>${time(untilMs, 'never')}</dd></div>
${
  kind === 'push'
    ? markup`<div><dt>Pushed to</dt><dd><code>${shownPrefix(config) + pushPath(group)}</code></dd></div>`
    : markup`<div><dt>Pushed to</dt><dd><code>${shownPrefix(config) + config.paths.ingest}</code>, where each series lives on its own: it cannot be deleted, and goes when it expires</dd></div>`
}
</dl>`;
}

function families(config: Config, snapshot: Snapshot, group: SnapshotGroup, only: string | null): Content {
  const all = holdingsOf(group);
  const holdings = only === null ? all : all.filter(({ name }) => name === only);
  const total = holdings.reduce((sum, { samples }) => sum + samples, 0);
  let left = only === null ? MAX_SAMPLES : MAX_SAMPLES_OF_ONE;
  const isOpen = total <= OPEN_UP_TO || only !== null;
  const shown = holdings.map((holding) => {
    const lines = linesOf(snapshot, holding, left);
    left -= lines.length;
    return familyDetails(config, holding, lines, isOpen, only !== null);
  });
  return [
    markup`<h2>${counted(all.length, 'family', 'families')}</h2>`,
    only !== null && markup`<p><a href="${groupLink(config, group)}">All families of this group</a></p>`,
    group.labels.length > 0 &&
      total > 0 &&
      markup`<p class="hint">Every series also has the labels of the group, which are not repeated here.</p>`,
    shown.length === 0 && markup`<p class="empty">There is nothing in it.</p>`,
    shown,
  ];
}

function familyDetails(
  config: Config,
  { name, group, type, help, samples, deadlineMs, reason }: Holding,
  lines: readonly string[],
  isOpen: boolean,
  isAlone: boolean,
): Markup {
  const left = samples - lines.length;
  // Of a group's families, most live as long as it does.
  const expiry = deadlineMs !== 0 && deadlineMs !== group.record.untilMs && `expires ${absolute(deadlineMs)}`;
  const more = isAlone
    ? markup`<a href="${linkBase(config)}/api/v1/groups/${group.id}">see them as JSON</a>`
    : markup`<a href="${groupLink(config, group)}&amp;family=${encodeURIComponent(name)}">show this family alone</a>`;
  const isKeptOut = reason !== undefined;
  return markup`<details class="family"${(isOpen || isKeptOut) && markup` open`}>
<summary><code>${escaped(name)}</code> <span class="badge">${type.replace('_', ' ')}</span> <span class="hint">${counted(samples, 'series', 'series')}${expiry && ` · ${expiry}`}</span>${isKeptOut && markup` <span class="badge warn">kept out</span>`}</summary>
${help !== '' && markup`<p class="help" dir="auto">${help}</p>`}
${isKeptOut && markup`<p class="notice warn">Not on <code>${config.paths.metrics}</code>: ${KEPT_OUT[reason]}.</p>`}
${lines.length > 0 && samplesTable(name, group.labels, lines)}
${left > 0 && markup`<p class="hint">${counted(left, 'more series', 'more series')}: ${more}</p>`}
</details>
`;
}

function samplesTable(family: string, grouping: Labels, lines: readonly string[]): Markup {
  const own = new Map(grouping);
  const rows = lines.map((line) => {
    const { name, labels, value } = readLine(line, family);
    const others = labels.filter(([label, text]) => own.get(label) !== text && !(label === 'instance' && text === ''));
    const series = others.length === 0 ? escaped(name) : `${escaped(name)}${formatSelector(others)}`;
    return markup`<tr><th scope="row"><bdi>${series}</bdi></th><td>${value}</td></tr>
`;
  });
  return markup`<div class="scroll"><table><thead><tr><th scope="col">Series</th><th scope="col">Value</th></tr></thead><tbody>
${rows}</tbody></table></div>`;
}

/** The first sample lines of a family. */
function linesOf(snapshot: Snapshot, holding: Holding, max: number): string[] {
  const text = snapshot.textOf(holding);
  const lines: string[] = [];
  for (let start = 0; start < text.length && lines.length < max;) {
    const end = text.indexOf('\n', start);
    lines.push(text.toString('utf8', start, end + 1));
    start = end + 1;
  }
  return lines;
}

/** A sample line by itself is an untyped metric, `le` and `quantile` ordinary labels of it. */
function readLine(line: string, family: string): { name: string; labels: Labels; value: string } {
  const [parsed] = parseText(line, { utf8Names: true }).values();
  const value = line.slice(line.lastIndexOf(' ') + 1, -1);
  return { name: parsed?.name ?? family, labels: parsed?.metrics[0]?.labels ?? [], value };
}
