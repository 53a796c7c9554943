/** The page of one group: its families with their samples. */
import type { Config } from '../../../shared/config/config.ts';
import { Slices } from '../../../shared/async/time-slices.ts';
import { parseText } from '../../../shared/exposition/text/parse-text.ts';
import { formatSelector } from '../../../shared/model/format-selector.ts';
import type { Labels } from '../../../shared/model/metric-family.ts';
import { escaped } from '../../../shared/model/quote.ts';
import { QUERY_SLICE_MS } from '../query/list-groups.ts';
import { hasFailed, sortedHoldings } from '../query/group-summary.ts';
import type { Holding, SnapshotGroup } from '../snapshot/groups.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import {
  cut,
  deleteButton,
  displayedPrefix,
  groupLink,
  groupName,
  KEPT_OUT_REASONS,
  labelList,
  linkBase,
  plural,
  pushPath,
} from './components.ts';
import type { Page, PageContext } from './layout.ts';
import { markup, type Content, type Markup } from './markup.ts';
import { absoluteTime, timeWithDate } from './time.ts';

const MAX_FAMILIES = 1_000;
/** Number of sample lines shown of a group, and of a single family. */
const MAX_SAMPLES = 500;
const MAX_FAMILY_SAMPLES = 5_000;
/** Length of all sample lines shown, and of one. */
const MAX_SAMPLE_BYTES = 2 * 1024 * 1024;
const MAX_LINE_BYTES = 10 * 1024;
/** Length of a name or a help that is shown. */
const MAX_NAME_CHARS = 300;
const MAX_HELP_CHARS = 2_000;
/** Number of sample lines above which the families of a group are collapsed. */
const MAX_OPEN_SAMPLES = 60;

/** `family` is the only one to show; null = all. */
export async function groupPage(context: PageContext, id: string, family: string | null, nowMs: number): Promise<Page> {
  const { config, snapshot } = context;
  const group = snapshot.get(id);
  const back = markup`<p class="back"><a href="${linkBase(config)}/">← All groups</a></p>`;
  if (group === undefined) {
    const content = markup`${back}<h1>Group not found</h1><p>The group was deleted or has expired, or the link is wrong.</p>`;
    return { status: 404, title: 'Group not found', section: 'groups', content };
  }
  const failed = hasFailed(group);
  const content = markup`${back}
<article class="group${failed && ' failed'}">
<h1>${labelList(group.labels)}</h1>
${failed && markup`<p class="notice bad"><strong>The last push failed</strong> and changed nothing.${group.record.pushedMs > 0 && ' The metrics below are from earlier pushes.'}</p>`}
${factList(config, group, nowMs)}
<p class="actions">${deleteButton(config, group)} <a href="${jsonLink(config, group)}">View as JSON</a></p>
${await families(config, snapshot, group, family)}
</article>`;
  return { status: 200, title: groupName(group), section: 'groups', content };
}

function factList(config: Config, group: SnapshotGroup, nowMs: number): Markup {
  const { kind, pushedMs, failedMs, untilMs } = group.record;
  const time = (ms: number): Content => (ms === 0 ? 'never' : timeWithDate(ms, nowMs));
  const pushedTo =
    kind === 'push'
      ? markup`<code>${displayedPrefix(config) + pushPath(group)}</code>`
      : markup`<code>${displayedPrefix(config) + config.paths.ingest}</code>; each series expires on its own and cannot be deleted`;
  return markup`<dl class="facts">
<div><dt>Last successful push</dt><dd>${time(pushedMs)}</dd></div>
${failedMs > 0 && markup`<div><dt>Last failed push</dt><dd>${time(failedMs)}</dd></div>`}
<div><dt>Expires</dt><dd>${time(untilMs)}</dd></div>
<div><dt>Pushed to</dt><dd>${pushedTo}</dd></div>
</dl>`;
}

async function families(
  config: Config,
  snapshot: Snapshot,
  group: SnapshotGroup,
  only: string | null,
): Promise<Content> {
  const all = sortedHoldings(group);
  const holdings = only === null ? all : all.filter(({ name }) => name === only);
  const total = holdings.reduce((sum, { samples }) => sum + samples, 0);
  const isOpen = total <= MAX_OPEN_SAMPLES || only !== null;
  const budget = { lines: only === null ? MAX_SAMPLES : MAX_FAMILY_SAMPLES, bytes: MAX_SAMPLE_BYTES };
  // All are read at the same moment, and rendered in slices.
  const shown = holdings
    .slice(0, MAX_FAMILIES)
    .map((holding) => ({ holding, lines: linesOf(snapshot, holding, budget) }));
  const details: Markup[] = [];
  const slices = new Slices(QUERY_SLICE_MS);
  for (const { holding, lines } of shown) {
    const rows: Markup[] = [];
    for (const line of lines) {
      rows.push(sampleRow(holding.name, group.labels, line));
      if (slices.isOver) await slices.next();
    }
    details.push(familyDetails(config, holding, rows, isOpen, only !== null));
  }
  const left = holdings.length - shown.length;
  return [
    all.length > 0 && markup`<h2>${plural(all.length, 'family', 'families')}</h2>`,
    only !== null && markup`<p><a href="${groupLink(config, group)}">Show all families of this group</a></p>`,
    group.labels.length > 0 &&
      total > 0 &&
      markup`<p class="hint">All series also have the labels of the group, which are not repeated here.</p>`,
    shown.length === 0 &&
      markup`<p class="empty">${only === null ? 'This group is empty.' : 'This group does not have this family.'}</p>`,
    details,
    left > 0 &&
      markup`<p class="hint">${plural(left, 'more family', 'more families')}: <a href="${jsonLink(config, group)}">view all as JSON</a></p>`,
  ];
}

function jsonLink(config: Config, { id }: SnapshotGroup): string {
  return `${linkBase(config)}/api/v1/groups/${id}`;
}

function familyDetails(
  config: Config,
  { name, group, type, help, samples, deadlineMs, reason }: Holding,
  rows: readonly Markup[],
  isOpen: boolean,
  isAlone: boolean,
): Markup {
  const left = samples - rows.length;
  // Most families expire together with their group, whose time is shown already.
  const expiry = deadlineMs !== 0 && deadlineMs !== group.record.untilMs && ` · expires ${absoluteTime(deadlineMs)}`;
  const more = isAlone
    ? markup`<a href="${jsonLink(config, group)}">view all as JSON</a>`
    : markup`<a href="${groupLink(config, group)}&amp;family=${encodeURIComponent(name)}">show only this family</a>`;
  const isKeptOut = reason !== undefined;
  return markup`<details class="family"${(isOpen || isKeptOut) && markup` open`}>
<summary><code>${cut(name, MAX_NAME_CHARS)}</code> <span class="badge">${type.replace('_', ' ')}</span> <span class="hint">${plural(samples, 'series', 'series')}${expiry}</span>${isKeptOut && markup` <span class="badge warn">kept out</span>`}</summary>
${help !== '' && markup`<p class="help" dir="auto">${shortHelp(help)}</p>`}
${isKeptOut && markup`<p class="notice warn">Kept out of <code>${config.paths.metrics}</code>: ${KEPT_OUT_REASONS[reason]}.</p>`}
${rows.length > 0 && samplesTable(rows)}
${left > 0 && markup`<p class="hint">${plural(left, 'more series', 'more series')}: ${more}</p>`}
</details>
`;
}

function shortHelp(help: string): string {
  return help.length > MAX_HELP_CHARS ? `${help.slice(0, MAX_HELP_CHARS)}…` : help;
}

function samplesTable(rows: readonly Markup[]): Markup {
  return markup`<div class="scroll"><table><thead><tr><th scope="col">Series</th><th scope="col">Value</th></tr></thead><tbody>
${rows}</tbody></table></div>`;
}

function sampleRow(family: string, grouping: Labels, line: Buffer): Markup {
  const { name, labels, value } = parseLine(line, family);
  const own = new Map(grouping);
  const others = labels.filter(([label, text]) => own.get(label) !== text && !(label === 'instance' && text === ''));
  const series = escaped(name) + (others.length === 0 ? '' : formatSelector(others));
  return markup`<tr><th scope="row"><bdi>${series}</bdi></th><td>${value}</td></tr>
`;
}

/** The first sample lines of a family; takes what they need from the budget. */
function linesOf(snapshot: Snapshot, holding: Holding, budget: { lines: number; bytes: number }): Buffer[] {
  const lines: Buffer[] = [];
  if (budget.lines <= 0 || budget.bytes <= 0) return lines;
  const text = snapshot.textOf(holding);
  for (let start = 0; start < text.length && budget.lines > 0 && budget.bytes > 0; budget.lines--) {
    const end = text.indexOf('\n', start) + 1;
    lines.push(text.subarray(start, end));
    budget.bytes -= Math.min(end - start, MAX_LINE_BYTES);
    start = end;
  }
  return lines;
}

/**
 * Parsed alone, a sample line is an untyped metric, so `le` and `quantile` are among its labels. Of a long line, the
 * beginning is shown as it is.
 */
function parseLine(line: Buffer, family: string): { name: string; labels: Labels; value: string } {
  const value = line.toString('utf8', line.lastIndexOf(' ') + 1, line.length - 1);
  if (line.length > MAX_LINE_BYTES) return { name: `${line.toString('utf8', 0, MAX_LINE_BYTES)}…`, labels: [], value };
  const [parsed] = parseText(line.toString(), { utf8Names: true }).values();
  return { name: parsed?.name ?? family, labels: parsed?.metrics[0]?.labels ?? [], value };
}
