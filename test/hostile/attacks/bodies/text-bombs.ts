import { gzipSync } from 'node:zlib';
import type { Attack } from '../../attack.ts';
import { swarm } from '../../client/swarm.ts';

const SIZE = 15_900_000;

function list(length: number, item: (i: number) => string): string {
  let text = '';
  for (let i = 0; text.length < length; i++) text += item(i);
  return text;
}

/** Bodies below the size limit that are much work to parse, to check or to render. */
function bombs(): (Buffer | string)[] {
  return [
    `labels{${list(SIZE, (i) => `l${i}="",`)}} 1\n`,
    `same_labels{${list(SIZE, () => 'l="v",')}} 1\n`,
    `escapes{l="${'\\\\'.repeat(SIZE / 2)}"} 1\n`,
    `digits ${'1'.repeat(SIZE)}\n`,
    `fraction 0.${'0'.repeat(SIZE)}1e${'9'.repeat(100)}\n`,
    `spaces${' '.repeat(SIZE)}1\n`,
    list(SIZE, (i) => `f${i} 1\n`),
    list(SIZE, () => '# HELP h text\n'),
    list(SIZE, (i) => `# TYPE t${i} gauge\n`),
    list(SIZE, () => 'twice 1\n'),
    list(SIZE, (i) => `series{l="${i}"} ${i}\n`),
    `# TYPE h histogram\n${list(SIZE, (i) => `h_bucket{le="${(i * 7_919) % 1_000_003}"} ${i}\n`)}h_count 1\nh_sum 1\n`,
    `# TYPE s summary\n${list(SIZE, (i) => `s{quantile="0.${i}"} 1\n`)}`,
    list(SIZE, (i) => `# TYPE c${i} histogram\nc${i}_sum 1\n`),
    `# HELP long ${'x'.repeat(SIZE)}\nlong 1\n`,
    `${'n'.repeat(SIZE)} 1\n`,
    `quotes{l="${'"'.repeat(10)}\n${'{'.repeat(SIZE)}`,
  ];
}

let bodies: Buffer[] = [];

export const textBombs: Attack = {
  what: 'text bodies just below the limit: hundreds of thousands of labels, families, buckets; megabytes of digits',
  against: 'plain',
  clients: 17,
  prepare: () => {
    bodies = bombs().map((body) => gzipSync(body, { level: 3 }));
  },
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const body = bodies[client.index % bodies.length] ?? '';
      const path = client.index % 2 === 0 ? `/metrics/job/text-${client.index}` : '/ingest';
      await client.call({ method: 'POST', path, headers: { 'content-encoding': 'gzip' }, body });
    }),
};
