import { execFileSync } from 'node:child_process';
import { crc32, gunzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { crc32Join, crc32Shift } from '../../services/reader/scrape/crc32-combine.ts';
import { spliceGzip } from '../../services/reader/scrape/spliced-gzip.ts';
import { newChunks, nextSerial, type TextChunks } from '../../services/reader/text/text-chunks.ts';

// One gzip member, whatever parts it is made of, and however often they are sent again.

/** Some repeat themselves, some cannot be deflated. */
const part = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(fc.string({ minLength: 1, maxLength: 9 }), fc.nat({ max: 20_000 }))
    .map(([text, n]) => Buffer.alloc(n, text)),
);

async function spliced(parts: readonly Buffer[]): Promise<Buffer> {
  const { buffers, length } = await spliceGzip(newChunks(parts));
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
    const parts: TextChunks = { buffers, serials, bytes, source: this };
    this.#lists.set(buffers, parts);
    return parts;
  }
}

it('the CRC of two texts follows from those of each', () => {
  fc.assert(
    fc.property(part, part, (a, b) => {
      expect(crc32Join(crc32(a), crc32(b), crc32Shift(b.length))).toBe(crc32(Buffer.concat([a, b])));
    }),
  );
});

it('inflates to all parts, one behind the other, whatever becomes of them', async () => {
  const change = fc.record({
    do: fc.constantFrom('replace', 'insert', 'remove', 'repeat'),
    at: fc.nat(),
    part,
    /** By another scrape, while this one is under way. */
    overlapping: fc.boolean(),
  });
  // Some have more parts than a block.
  const list = fc.oneof(
    fc.array(part, { maxLength: 8 }),
    fc.array(part, { minLength: 120, maxLength: 200, size: 'max' }),
  );
  await fc.assert(
    fc.asyncProperty(list, fc.array(change, { maxLength: 8 }), async (first, changes) => {
      let parts: readonly Buffer[] = first;
      const handedOut: { readonly buffers: readonly Buffer[]; readonly text: Buffer }[] = [];
      const underWay: Promise<void>[] = [];
      const versions = new Versions();
      const check = async (some: readonly Buffer[]): Promise<void> => {
        const { buffers, length } = await spliceGzip(versions.of(some));
        const text = Buffer.concat(some);
        expect(gunzipSync(Buffer.concat(buffers)).equals(text)).toBe(true);
        expect(buffers.reduce((sum, one) => sum + one.length, 0)).toBe(length);
        handedOut.push({ buffers, text });
      };
      await check(parts);
      for (const one of changes) {
        const at = one.at % (parts.length + 1);
        if (one.do === 'insert') parts = parts.toSpliced(at, 0, one.part);
        else if (one.do === 'replace') parts = parts.toSpliced(at, 1, one.part);
        else if (one.do === 'remove') parts = parts.toSpliced(at, 1);
        else parts = parts.toSpliced(at, 0, ...parts.slice(0, 1));
        if (one.overlapping) underWay.push(check(parts));
        else await check(parts);
      }
      await Promise.all(underWay);
      await check(first);
      // Whoever is still sending it sends what it was.
      for (const { buffers, text } of handedOut) expect(gunzipSync(Buffer.concat(buffers)).equals(text)).toBe(true);
    }),
    { numRuns: Number.isFinite(fc.readConfigureGlobal().numRuns) ? 60 : Infinity },
  );
});

it('what did not change is the same buffer again, and the same list the same answer', async () => {
  const parts = Array.from({ length: 400 }, (_, i) => Buffer.alloc(3_000, `part ${i}`));
  const versions = new Versions();
  const before = await spliceGzip(versions.of(parts));
  expect(await spliceGzip(versions.of(parts))).toBe(before);
  for (const others of [
    parts.with(200, Buffer.from('changed')),
    parts.toSpliced(200, 0, Buffer.from('new')),
    parts.toSpliced(200, 1),
  ]) {
    const after = await spliceGzip(versions.of(others));
    const gone = before.buffers.filter((buffer) => !after.buffers.includes(buffer));
    // The block of the one that changed, a few more where it began or ended one, and the sum at the end.
    expect(gone.length, 'of the blocks').toBeLessThanOrEqual(5);
    expect(before.buffers.length, 'blocks in all').toBeGreaterThan(8);
  }
});

it('is one member to those who read no more than one', async () => {
  const whole = await spliced([Buffer.from('one\n'), Buffer.alloc(300_000, 'two\n'), Buffer.from('three\n')]);
  const script =
    'import sys,zlib; o=zlib.decompressobj(31); t=o.decompress(sys.stdin.buffer.read()); print(len(t), o.eof, len(o.unused_data))';
  expect(execFileSync('python3', ['-c', script], { input: whole }).toString()).toBe('300010 True 0\n');
});
