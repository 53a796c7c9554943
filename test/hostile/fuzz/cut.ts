/** Requests that are cut off after each of their bytes: only a complete one may take effect. */
import type { Socket } from 'node:net';
import { connectTo } from './http1-conversation.ts';

const PARALLEL = 20;
/** Every beginning that ends with a line is valid too, so that a part of it would be accepted. */
const BODY = 'cut_a 1\ncut_b 2\ncut_c 3\n';

const SAMPLES: readonly ((path: string) => string)[] = [
  (path) => `PUT ${path} HTTP/1.1\r\nHost: fuzz\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
  (path) =>
    `POST ${path} HTTP/1.1\r\nHost: fuzz\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n${BODY.slice(0, 8)}\r\n` +
    `10\r\n${BODY.slice(8)}\r\n0\r\nX-Trailer: 1\r\n\r\n`,
  (path) =>
    `PUT ${path} HTTP/1.1\r\nHost: fuzz\r\nExpect: 100-continue\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
];

export interface Cut {
  readonly tag: string;
  readonly what: string;
}

/** Cuts every sample after each byte, and returns the tags that must not be stored, and those that have to be. */
export async function cutEverywhere(
  port: number,
  round: number,
  open: () => Promise<Socket> = async () => connectTo(port),
): Promise<{ incomplete: Cut[]; complete: Cut[] }> {
  const incomplete: Cut[] = [];
  const complete: Cut[] = [];
  const cuts = SAMPLES.flatMap((sample, kind) => {
    const { length } = sample(`/metrics/job/cut/tag/${tagOf(round, kind, 0)}`);
    return Array.from({ length: length + 1 }, (_, at) => ({ sample, kind, at }));
  });
  const worker = async (): Promise<void> => {
    for (let cut = cuts.pop(); cut !== undefined; cut = cuts.pop()) {
      const { sample, kind, at } = cut;
      const tag = tagOf(round, kind, at);
      const bytes = sample(`/metrics/job/cut/tag/${tag}`);
      const socket = await open();
      const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()));
      socket.on('error', () => {});
      socket.resume();
      socket.write(bytes.slice(0, at));
      const isReset = at < bytes.length && (at + round) % 2 === 0;
      if (isReset) socket.resetAndDestroy();
      else socket.end();
      await closed;
      (at < bytes.length ? incomplete : complete).push({ tag, what: JSON.stringify(bytes.slice(0, at)) });
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return { incomplete, complete };
}

/** Of the same length for every byte. */
const tagOf = (round: number, kind: number, at: number): string =>
  `c${String(round).padStart(6, '0')}x${kind}x${String(at).padStart(4, '0')}z`;
