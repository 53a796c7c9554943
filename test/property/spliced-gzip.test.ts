import { execFileSync } from 'node:child_process';
import { crc32, gunzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { crc32Combine } from '../../services/reader/crc32-combine.ts';
import { spliceGzip, splicedLength } from '../../services/reader/spliced-gzip.ts';

// One gzip member, whatever parts it is made of, and however often they are sent again.

/** Some repeat themselves, some cannot be deflated. */
const part = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(fc.string({ minLength: 1, maxLength: 9 }), fc.nat({ max: 20_000 }))
    .map(([text, n]) => Buffer.alloc(n, text)),
);

async function spliced(parts: readonly Buffer[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of spliceGzip(parts)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

it('the CRC of two texts follows from those of each', () => {
  fc.assert(
    fc.property(part, part, (a, b) => {
      expect(crc32Combine(crc32(a), crc32(b), b.length)).toBe(crc32(Buffer.concat([a, b])));
    }),
  );
});

it('inflates to all parts, one behind the other', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 8 }), fc.nat({ max: 7 }), part, async (parts, at, changed) => {
      const first = await spliced(parts);
      expect(gunzipSync(first).equals(Buffer.concat(parts))).toBe(true);
      // Now it is known how long it is; with a new part it is not.
      expect(splicedLength(parts)).toBe(first.length);
      if (parts.length > 0) {
        const next = parts.with(at % parts.length, changed);
        expect(splicedLength(next)).toBeUndefined();
        expect(gunzipSync(await spliced(next)).equals(Buffer.concat(next))).toBe(true);
      }
      expect((await spliced(parts)).equals(first)).toBe(true);
    }),
  );
});

it('is one member to those who read no more than one', async () => {
  const whole = await spliced([Buffer.from('one\n'), Buffer.alloc(100_000, 'two\n'), Buffer.from('three\n')]);
  const script =
    'import sys,zlib; o=zlib.decompressobj(31); t=o.decompress(sys.stdin.buffer.read()); print(len(t), o.eof, len(o.unused_data))';
  expect(execFileSync('python3', ['-c', script], { input: whole }).toString()).toBe('100010 True 0\n');
});
