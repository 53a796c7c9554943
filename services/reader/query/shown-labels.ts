/** Labels as people are shown them, on the page and in what it is searched by. */
import type { LabelPair, Labels } from '../../../shared/model/metric-family.ts';
import { escaped } from '../../../shared/model/quote.ts';
import { isLegacyLabelName } from '../../../shared/model/names.ts';

/** `job="a", zone="b"`: what goes between the braces of a selector. What cannot be seen is written as an escape. */
export function shownLabels(labels: Labels): string {
  return labels.map(([name, value]: LabelPair) => `${shownName(name)}="${escaped(value)}"`).join(', ');
}

export function shownName(name: string): string {
  return isLegacyLabelName(name) ? name : `"${escaped(name)}"`;
}
