import { deflateRawSync, constants } from 'node:zlib';
import { bench, describe } from 'vitest';
import { spliceGzip } from '../../services/reader/scrape/spliced-gzip.ts';
import { parseText } from '../../shared/exposition/text/parse-text.ts';
import { renderSamples } from '../../shared/exposition/text/render-text.ts';
import { applyGroupingLabels } from '../../shared/model/group-labels.ts';
import { newChunks } from '../../services/reader/text/text-chunks.ts';
import { SegmentedText } from '../../services/reader/text/segmented-text.ts';
import { groupPath, pushBody } from './load/workload.ts';

// The cost of a scrape in gzip after changes, by the size of the segments of the text, and the cost of a segment at
// each level.

const GROUPS = 10_000;
const SIZES = [4, 8, 16, 32, 64];
const LEVELS = [1, 2, 3, 6];

function push(text: SegmentedText, group: number, variant: number): void {
  const [, , job = '', , instance = ''] = groupPath(group).split('/');
  const labels = [
    ['instance', instance],
    ['job', job],
  ] as const;
  for (const [name, family] of applyGroupingLabels(parseText(pushBody({ families: 2 }, variant)), labels)) {
    text.set(name, instance, Buffer.from(renderSamples(family)));
  }
}

function filled(kilobytes: number): SegmentedText {
  const text = new SegmentedText(kilobytes * 1_024);
  for (let group = 0; group < GROUPS; group++) push(text, group, group);
  return text;
}

async function scrape(text: SegmentedText): Promise<number> {
  return (await spliceGzip(text.chunks())).length;
}

let variant = GROUPS;
for (const kilobytes of SIZES) {
  const text = filled(kilobytes);
  const bytes = text.chunks().buffers.reduce((sum, one) => sum + one.length, 0);
  const ratio = (bytes / (await scrape(text))).toFixed(2);
  describe(`segments from ${kilobytes} KiB on, ${text.chunks().buffers.length} of them, ${ratio}:1`, () => {
    bench('all is new', async () => {
      await spliceGzip(newChunks(text.chunks().buffers));
    });
    bench('nothing has changed', async () => {
      await scrape(text);
    });
    for (const changed of [1, 30, 1_000]) {
      bench(`${changed} pushed, with what the pushes cost`, async () => {
        for (let i = 0; i < changed; i++) push(text, (variant * 7_919) % GROUPS, variant++);
        await scrape(text);
      });
    }
  });

  describe(`a segment of ${kilobytes} KiB or a little more`, () => {
    const [part = Buffer.alloc(0)] = filled(kilobytes).chunks().buffers.slice(3);
    for (const level of LEVELS) {
      const options = { level, finishFlush: constants.Z_SYNC_FLUSH };
      bench(`level ${level}, ${(part.length / deflateRawSync(part, options).length).toFixed(2)}:1`, () => {
        deflateRawSync(part, options);
      });
    }
  });
}

describe('what the pushes cost', () => {
  const text = filled(8);
  for (const changed of [1, 30, 1_000]) {
    bench(`${changed} pushed`, () => {
      for (let i = 0; i < changed; i++) push(text, (variant * 7_919) % GROUPS, variant++);
    });
  }
});
