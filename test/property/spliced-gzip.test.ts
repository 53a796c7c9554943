import { execFileSync } from 'node:child_process';
import { crc32, gunzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { crc32Join, crc32Shift } from '../../services/reader/scrape/crc32-combine.ts';
import { spliceGzip } from '../../services/reader/scrape/spliced-gzip.ts';
import { newChunks, nextSerial, type TextChunks } from '../../services/reader/text/text-chunks.ts';

// The result is one gzip member, for any chunks and after any changes.

/** Some are repetitive, some are incompressible. */
const chunk = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(fc.string({ minLength: 1, maxLength: 9 }), fc.nat({ max: 20_000 }))
    .map(([text, n]) => Buffer.alloc(n, text)),
);

async function spliced(chunks: readonly Buffer[]): Promise<Buffer> {
  const { buffers, length } = await spliceGzip(newChunks(chunks));
  const whole = Buffer.concat(buffers);
  expect(whole.length).toBe(length);
  return whole;
}

/** Versions of one text. */
class Versions {
  readonly #serials = new Map<Buffer, number>();
  readonly #lists = new Map<readonly Buffer[], TextChunks>();

  of(buffers: readonly Buffer[]): TextChunks {
    const known = this.#lists.get(buffers);
    if (known !== undefined) return known;
    for (const one of buffers) if (!this.#serials.has(one)) this.#serials.set(one, nextSerial());
    const serials = buffers.map((one) => this.#serials.get(one) ?? 0);
    const bytes = Buffer.concat(buffers).length;
    const chunks: TextChunks = { buffers, serials, bytes, source: this };
    this.#lists.set(buffers, chunks);
    return chunks;
  }
}

it('the CRC of two texts follows from those of each', () => {
  fc.assert(
    fc.property(chunk, chunk, (a, b) => {
      expect(crc32Join(crc32(a), crc32(b), crc32Shift(b.length))).toBe(crc32(Buffer.concat([a, b])));
    }),
  );
});

it('inflates to the concatenated chunks, through any changes', async () => {
  const change = fc.record({
    do: fc.constantFrom('replace', 'insert', 'remove', 'repeat'),
    at: fc.nat(),
    chunk,
    /** Scraped while the previous scrape is in progress. */
    overlapping: fc.boolean(),
  });
  // Some have more chunks than a block.
  const list = fc.oneof(
    fc.array(chunk, { maxLength: 8 }),
    fc.array(chunk, { minLength: 120, maxLength: 200, size: 'max' }),
  );
  await fc.assert(
    fc.asyncProperty(list, fc.array(change, { maxLength: 8 }), async (first, changes) => {
      let chunks: readonly Buffer[] = first;
      const handedOut: { readonly buffers: readonly Buffer[]; readonly text: Buffer }[] = [];
      const inProgress: Promise<void>[] = [];
      const versions = new Versions();
      const check = async (some: readonly Buffer[]): Promise<void> => {
        const { buffers, length } = await spliceGzip(versions.of(some));
        const text = Buffer.concat(some);
        expect(gunzipSync(Buffer.concat(buffers)).equals(text)).toBe(true);
        expect(buffers.reduce((sum, one) => sum + one.length, 0)).toBe(length);
        handedOut.push({ buffers, text });
      };
      await check(chunks);
      for (const one of changes) {
        const at = one.at % (chunks.length + 1);
        if (one.do === 'insert') chunks = chunks.toSpliced(at, 0, one.chunk);
        else if (one.do === 'replace') chunks = chunks.toSpliced(at, 1, one.chunk);
        else if (one.do === 'remove') chunks = chunks.toSpliced(at, 1);
        else chunks = chunks.toSpliced(at, 0, ...chunks.slice(0, 1));
        if (one.overlapping) inProgress.push(check(chunks));
        else await check(chunks);
      }
      await Promise.all(inProgress);
      await check(first);
      // Buffers that are still being sent are unchanged.
      for (const { buffers, text } of handedOut) expect(gunzipSync(Buffer.concat(buffers)).equals(text)).toBe(true);
    }),
    { numRuns: Number.isFinite(fc.readConfigureGlobal().numRuns) ? 60 : Infinity },
  );
});

it('unchanged blocks are the same buffers again, and the same version gives the same result', async () => {
  const chunks = Array.from({ length: 400 }, (_, i) => Buffer.alloc(3_000, `chunk ${i}`));
  const versions = new Versions();
  const before = await spliceGzip(versions.of(chunks));
  expect(await spliceGzip(versions.of(chunks))).toBe(before);
  for (const others of [
    chunks.with(200, Buffer.from('changed')),
    chunks.toSpliced(200, 0, Buffer.from('new')),
    chunks.toSpliced(200, 1),
  ]) {
    const after = await spliceGzip(versions.of(others));
    const gone = before.buffers.filter((buffer) => !after.buffers.includes(buffer));
    // The block of the changed chunk, a few more if it began or ended a block, and the trailer.
    expect(gone.length, 'of the blocks').toBeLessThanOrEqual(5);
    expect(before.buffers.length, 'blocks in all').toBeGreaterThan(8);
  }
});

it('is complete for clients that read only one member', async () => {
  const whole = await spliced([Buffer.from('one\n'), Buffer.alloc(300_000, 'two\n'), Buffer.from('three\n')]);
  const script =
    'import sys,zlib; o=zlib.decompressobj(31); t=o.decompress(sys.stdin.buffer.read()); print(len(t), o.eof, len(o.unused_data))';
  expect(execFileSync('python3', ['-c', script], { input: whole }).toString()).toBe('300010 True 0\n');
});
