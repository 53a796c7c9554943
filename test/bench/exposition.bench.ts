import { bench, describe } from 'vitest';
import { checkPush } from '../../shared/exposition/check/check-push.ts';
import { applyGroupingLabels } from '../../shared/model/group-labels.ts';
import type { Labels } from '../../shared/model/metric-family.ts';
import { parseText } from '../../shared/exposition/text/parse-text.ts';
import { decodeUtf8 } from '../../shared/exposition/text/utf8.ts';
import { decodeProtobuf, encodeFamily } from '../../shared/exposition/protobuf/codec.ts';
import { renderSamples } from '../../shared/exposition/text/render-text.ts';

const GROUPING: Labels = [
  ['instance', 'worker-17'],
  ['job', 'nightly-import'],
];

/** Families of ten counters with three labels each, help and type. */
function counters(series: number): string {
  let text = '';
  for (let family = 0; family < series / 10; family++) {
    const name = `http_requests_total_${family}`;
    text += `# HELP ${name} The total number of HTTP requests.\n# TYPE ${name} counter\n`;
    for (let i = 0; i < 10; i++) {
      text += `${name}{method="post",code="${200 + i}",path="/api/v1/items/${i * 37}"} ${i * 1234.5 + family}\n`;
    }
  }
  return text;
}

/** Histograms of eleven buckets, sum and count, twenty to a family. */
function histograms(series: number): string {
  let text = '';
  for (let i = 0; i < series / 13; i++) {
    const name = `rpc_duration_seconds_${Math.floor(i / 20)}`;
    if (i % 20 === 0) text += `# TYPE ${name} histogram\n`;
    for (const le of ['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '+Inf']) {
      text += `${name}_bucket{method="m${i}",le="${le}"} ${i * 10}\n`;
    }
    text += `${name}_sum{method="m${i}"} ${i * 3.7}\n${name}_count{method="m${i}"} ${i * 10}\n`;
  }
  return text;
}

for (const [kind, make] of Object.entries({ counters, histograms })) {
  for (const series of [10, 10_000]) {
    const body = Buffer.from(make(series));
    const families = applyGroupingLabels(parseText(decodeUtf8(body)), GROUPING);
    const protobuf = Buffer.concat([...families.values()].map(encodeFamily));

    // Throughput is the rate times the kilobytes.
    describe(`${series} series of ${kind}, ${(body.byteLength / 1e3).toFixed(1)} kB of text`, () => {
      bench('parse', () => {
        parseText(decodeUtf8(body));
      });
      bench('parse and add the grouping labels', () => {
        applyGroupingLabels(parseText(decodeUtf8(body)), GROUPING);
      });
      bench('check', () => {
        checkPush(families);
      });
      bench('render', () => {
        for (const family of families.values()) Buffer.from(renderSamples(family));
      });
      bench(`decode ${(protobuf.byteLength / 1e3).toFixed(1)} kB of protobuf`, () => {
        decodeProtobuf(protobuf);
      });
    });
  }
}
