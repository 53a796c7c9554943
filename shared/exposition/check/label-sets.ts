import type { Labels, MetricType } from '../../model/metric-family.ts';
import { parseText } from '../text/parse-text.ts';
import { renderHeader } from '../text/render-text.ts';
import { decodeUtf8 } from '../text/utf8.ts';

/** The labels of each series in sample lines of a family that were rendered by render-text.ts. */
export function labelSetsOf(name: string, type: MetricType, text: string | Uint8Array): Labels[] {
  const lines = typeof text === 'string' ? text : decodeUtf8(text);
  const family = parseText(renderHeader(name, '', type) + lines, { utf8Names: true }).get(name);
  return family?.metrics.map(({ labels }) => labels) ?? [];
}
