/** Divides the sample lines of a family, as renderSamples writes them, between its metrics. */
import { boundLabelOf, type MetricType } from '../../model/metric-family.ts';
import { lastLineStart } from './render-text.ts';
import { NEWLINE } from './text-scanner.ts';

/**
 * Yields pieces of at least `minBytes`, and not much more unless a single metric is larger; the last piece is what is
 * left.
 */
export function* splitSamples(name: string, type: MetricType, text: Buffer, minBytes: number): Generator<Buffer> {
  const isOneLine = boundLabelOf(type) === undefined;
  const lastLine = isOneLine ? '\n' : `\n${lastLineStart(name)}`;
  for (let start = 0; start < text.length;) {
    const at = text.indexOf(lastLine, start + minBytes - 1);
    const newline = at === -1 || isOneLine ? at : text.indexOf(NEWLINE, at + 1);
    const end = newline === -1 ? text.length : newline + 1;
    yield text.subarray(start, end);
    start = end;
  }
}
