/**
 * Compares how our parser and the official one read a body; docs/text-format.md explains the known differences.
 */
import { GatewayError } from '../../shared/errors.ts';
import { checkPush } from '../../shared/exposition/check/check-push.ts';
import type { Families } from '../../shared/model/metric-family.ts';
import { renderHeader, renderSamples } from '../../shared/exposition/text/render-text.ts';
import type { Verdict } from './oracle.ts';

export function verdictOf(parse: () => Families): Verdict {
  let rendered = '';
  try {
    const families = parse();
    rendered = render(families);
    checkPush(families);
    return { verdict: 'taken', text: rendered };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    if (error.code === 'exposition_invalid') return { verdict: 'refused', text: error.message };
    return { verdict: 'inconsistent', text: `${error.message}\n${rendered}` };
  }
}

function render(families: Families): string {
  return [...families.values()]
    .filter((family) => family.metrics.length > 0)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((family) => renderHeader(family.name, family.help, family.type) + renderSamples(family))
    .join('');
}

/** Undefined if both agree on the content, or on the line and the kind of the error. */
export function textDifference(body: string, ours: Verdict, official: Verdict): string | undefined {
  if (isKnown(body, ours, official)) return undefined;
  if (ours.verdict !== official.verdict) return `we: ${ours.verdict}, official: ${official.verdict}`;
  if (ours.verdict === 'taken' && withColonsUnquoted(ours.text) !== withColonsUnquoted(official.text))
    return 'different families';
  if (ours.verdict === 'refused' && fault(ours.text) !== fault(official.text)) return 'different faults';
  // The official check has a random order of families, so it reports one of several inconsistencies.
  return undefined;
}

/** Undefined if both agree, as for text; reasons are not compared. */
export function protobufDifference(ours: Verdict, official: Verdict): string | undefined {
  // We refuse content that cannot be shown or would break the scrape; the official gateway accepts it.
  if (ours.verdict === 'refused' && /name|unknown metric type|not UTF-8/.test(ours.text)) return undefined;
  if (ours.verdict === 'inconsistent' && / is not a | has /.test(ours.text)) return undefined;
  // We find it while reading, before other faults of the stream, and also in a family that a later one replaces.
  if (ours.verdict === 'inconsistent' && ours.text.includes('a string is not UTF-8')) return undefined;
  // We treat a gauge histogram like other histograms, including its suffixes and labels.
  if (ours.verdict === 'inconsistent' && /explicit "le" label| collides /.test(ours.text)) return undefined;
  if (ours.verdict !== official.verdict) return `we: ${ours.verdict}, official: ${official.verdict}`;
  // An empty help text counts as none.
  const withoutEmptyHelp = official.text.replaceAll(/^# HELP \S+ \n/gm, '');
  return ours.verdict === 'taken' && ours.text !== withoutEmptyHelp ? 'different families' : undefined;
}

function isKnown(body: string, ours: Verdict, official: Verdict): boolean {
  if (/^[ \t]*\{/m.test(body)) {
    // The official parser adds labels without a name to the series of the previous line, or crashes.
    if (ours.verdict === 'refused' && ours.text.endsWith(': invalid metric name')) return true;
    // The official parser assembles a summary or histogram with its name in braces by the labels of the previous line.
    if (/summary|histogram/iu.test(body.replaceAll('\\', ''))) return true;
    // The reason contains the name of the previous series.
    if (ours.verdict === 'refused' && official.verdict === 'refused') return true;
  }
  // We treat a gauge histogram like other histograms, including its suffixes.
  if (ours.verdict === 'inconsistent' && ours.text.includes(' collides ') && /gauge_?histogram/iu.test(body))
    return true;
  // The official gateway would show a series twice.
  return ours.verdict === 'inconsistent' && / has two or more (?:buckets|values) | explicit "le" label/.test(ours.text);
}

/** Only we quote a label name with a colon; unquoted, the text cannot be parsed. */
function withColonsUnquoted(text: string): string {
  return text.replaceAll(/(?<=[{,])"([a-zA-Z_:][\w:]*)"=/g, '$1=');
}

/** `text format parsing error in line 3: expected float as value, got …`: up to the quoted input. */
function fault(message: string): string {
  return message.split(/["']/, 1)[0] ?? '';
}
