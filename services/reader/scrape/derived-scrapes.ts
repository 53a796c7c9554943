/** What is made from the exposition on request: renderings in other formats, and zstd. */
import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import { Slices } from '../../../shared/async/time-slices.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { applyPending } from '../text/apply-pending.ts';
import { newChunks, type TextChunks } from '../text/text-chunks.ts';
import { DerivedTexts } from './derived-texts.ts';
import { renderScrape, type Rendering } from './render-scrape.ts';

/** zstd needs Node 22.15 or later. */
export const HAS_ZSTD = 'createZstdCompress' in zlib;

/** The pushed part of a scrape. */
export interface Pushed {
  /** Of the snapshot. */
  readonly version: number;
  readonly chunks: TextChunks;
  /** Names of families that nothing else in the scrape may have, as far as they are not those of the snapshot. */
  readonly names: ReadonlySet<string>;
}

/** Size of a rendered chunk: large enough to be compressed in a thread. */
const CHUNK_BYTES = 256 * 1024;
/** Length of a slice, ms. */
const SLICE_MS = 5;

export class DerivedScrapes {
  readonly #renderings = new DerivedTexts<Pushed>();
  readonly #compressed = new DerivedTexts<TextChunks>();

  /** Undefined if too many are being made. */
  async render(client: string, snapshot: Snapshot, rendering: Rendering): Promise<Pushed | undefined> {
    const { format, escaping, partition } = rendering;
    return await this.#renderings.get(client, async () => {
      await applyPending(snapshot.text);
      const { version } = snapshot;
      const key = [version, format, escaping, partition.i, partition.n].join(' ');
      const make = async (): Promise<Pushed> => {
        const names = new Set<string>();
        return { version, chunks: await collect(renderScrape(snapshot, rendering, names)), names };
      };
      return { key, make };
    });
  }

  /** Undefined if too many are being made. */
  async compress(client: string, text: TextChunks): Promise<TextChunks | undefined> {
    return await this.#compressed.get(client, async () => {
      return await Promise.resolve({ key: text, make: async () => await compressed(text) });
    });
  }

  /** Releases what has not been requested for a while. */
  expire(): void {
    this.#renderings.expire();
    this.#compressed.expire();
  }
}

/** Collects the buffers in slices. */
async function collect(buffers: Iterable<Buffer>): Promise<TextChunks> {
  const slices = new Slices(SLICE_MS);
  const chunks: Buffer[] = [];
  let waiting: Buffer[] = [];
  let bytes = 0;
  for (const buffer of buffers) {
    waiting.push(buffer);
    bytes += buffer.length;
    if (bytes >= CHUNK_BYTES) {
      chunks.push(Buffer.concat(waiting, bytes));
      [waiting, bytes] = [[], 0];
    }
    if (slices.isOver) await slices.next();
  }
  return newChunks([...chunks, Buffer.concat(waiting, bytes)]);
}

async function compressed(text: TextChunks): Promise<TextChunks> {
  const { createZstdCompress } = zlib as unknown as { createZstdCompress: () => NodeJS.ReadWriteStream };
  const chunks: Buffer[] = [];
  const body = Readable.from(text.buffers, { objectMode: false }).pipe(createZstdCompress());
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return newChunks(chunks);
}
