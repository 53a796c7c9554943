/**
 * What we make of a body, beside what the official parser makes of it; docs/text-format.md explains the differences that are known.
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

/** Undefined when both agree: on taking it and what it says, or on the line and the kind of fault. */
export function textDifference(body: string, ours: Verdict, official: Verdict): string | undefined {
  if (isKnown(body, ours, official)) return undefined;
  if (ours.verdict !== official.verdict) return `we: ${ours.verdict}, official: ${official.verdict}`;
  if (ours.verdict === 'taken' && withColonsUnquoted(ours.text) !== withColonsUnquoted(official.text))
    return 'different families';
  if (ours.verdict === 'refused' && fault(ours.text) !== fault(official.text)) return 'different faults';
  // The official check meets the families in random order, so the reason of an inconsistency is one of several.
  return undefined;
}

/** Undefined when both agree, as for text; a reason is only ours. */
export function protobufDifference(ours: Verdict, official: Verdict): string | undefined {
  // What could not be shown, or would break the scrape, is refused by us alone.
  if (ours.verdict === 'refused' && /name|unknown metric type|not UTF-8/.test(ours.text)) return undefined;
  if (ours.verdict === 'inconsistent' && / is not a | has /.test(ours.text)) return undefined;
  // Found while it is read, so before what else may be wrong with the stream, and also in a family that a later one replaces.
  if (ours.verdict === 'inconsistent' && ours.text.includes('a string is not UTF-8')) return undefined;
  // A gauge histogram is one like any other, also as far as its suffixes and labels are concerned.
  if (ours.verdict === 'inconsistent' && /explicit "le" label| collides /.test(ours.text)) return undefined;
  if (ours.verdict !== official.verdict) return `we: ${ours.verdict}, official: ${official.verdict}`;
  // An empty help is as good as none.
  const withoutEmptyHelp = official.text.replaceAll(/^# HELP \S+ \n/gm, '');
  return ours.verdict === 'taken' && ours.text !== withoutEmptyHelp ? 'different families' : undefined;
}

function isKnown(body: string, ours: Verdict, official: Verdict): boolean {
  if (/^[ \t]*\{/m.test(body)) {
    // Labels without a name are given to the series of the line before, or crash the official parser.
    if (ours.verdict === 'refused' && ours.text.endsWith(': invalid metric name')) return true;
    // A summary or histogram whose name is in braces is assembled by the labels of the line before.
    if (/summary|histogram/iu.test(body.replaceAll('\\', ''))) return true;
    // The name of the series before stands in the reason.
    if (ours.verdict === 'refused' && official.verdict === 'refused') return true;
  }
  // A gauge histogram is one like any other, also as far as its suffixes are concerned.
  if (ours.verdict === 'inconsistent' && ours.text.includes(' collides ') && /gauge_?histogram/iu.test(body))
    return true;
  // The official gateway would show a series twice.
  return ours.verdict === 'inconsistent' && / has two or more (?:buckets|values) | explicit "le" label/.test(ours.text);
}

/** A label name with a colon is quoted by us alone: unquoted, nobody could read the text. */
function withColonsUnquoted(text: string): string {
  return text.replaceAll(/(?<=[{,])"([a-zA-Z_:][\w:]*)"=/g, '$1=');
}

/** `text format parsing error in line 3: expected float as value, got …`: up to what is quoted. */
function fault(message: string): string {
  return message.split(/["']/, 1)[0] ?? '';
}
