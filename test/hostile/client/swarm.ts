import { connect as connectTcp, type Socket } from 'node:net';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { Target } from '../attack.ts';
import { Tally } from './tally.ts';

/** Loopback addresses that the attackers use, from 127.0.0.2. The judge uses 127.0.0.1. */
const ADDRESSES = 30;
/** Between two turns of a client, so that refused connections do not become a loop without a pause, ms. */
const PAUSE_MS = 20;

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Default: reads the answer and forgets it. */
  readonly keep?: boolean;
}

/** One hostile client: it always comes from the same address. */
export class Client {
  readonly index: number;
  readonly signal: AbortSignal;
  readonly tally: Tally;
  readonly #target: Target;

  constructor(index: number, target: Target, signal: AbortSignal, tally: Tally) {
    this.index = index;
    this.signal = signal;
    this.tally = tally;
    this.#target = target;
  }

  get address(): string {
    return `127.0.0.${2 + (this.index % ADDRESSES)}`;
  }

  /** Destroyed with the signal. Errors are counted and end in `close`. */
  async connect(alpn: 'h2' | 'http/1.1' = 'http/1.1'): Promise<Socket> {
    const at = { host: '127.0.0.1', port: this.#target.port, localAddress: this.address };
    const socket =
      this.#target.kind === 'plain'
        ? connectTcp(at)
        : connectTls({ ...at, rejectUnauthorized: false, ALPNProtocols: [alpn] });
    const end = (): void => void socket.destroy();
    this.signal.addEventListener('abort', end, { once: true });
    socket.once('close', () => this.signal.removeEventListener('abort', end));
    socket.on('error', (error: NodeJS.ErrnoException) => this.tally.add(`socket ${error.code}`));
    await new Promise<void>((resolve) => {
      socket.once(this.#target.kind === 'plain' ? 'connect' : 'secureConnect', resolve);
      socket.once('close', () => resolve());
    });
    this.tally.add('connections');
    return socket;
  }

  /** On a connection of its own. Returns the status, 0 without an answer, and the body if it is to be kept. */
  async call({ method, path, headers = {}, body = '', keep = false }: Call): Promise<{ status: number; text: string }> {
    const request = this.#target.kind === 'plain' ? httpRequest : httpsRequest;
    const { status, text } = await new Promise<{ status: number; text: string }>((resolve) => {
      const length = method === 'GET' ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      const outgoing = request(
        {
          host: '127.0.0.1',
          port: this.#target.port,
          localAddress: this.address,
          rejectUnauthorized: false,
          agent: false,
          signal: this.signal,
          method,
          path,
          headers: { connection: 'close', ...length, ...headers },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => {
            this.tally.add('bytes read', chunk.length);
            if (keep) chunks.push(chunk);
          });
          incoming.once('error', () => {});
          incoming.once('close', () =>
            resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
          );
        },
      );
      outgoing.once('error', () => resolve({ status: 0, text: '' }));
      outgoing.end(body);
    });
    this.tally.add(`answer ${status}`);
    return { status, text };
  }
}

/** Runs `live` for each client again and again until the signal. */
export async function swarm(
  target: Target,
  signal: AbortSignal,
  live: (client: Client) => Promise<void>,
): Promise<Tally> {
  const tally = new Tally();
  const clients = Array.from({ length: target.clients }, (_, index) => new Client(index, target, signal, tally));
  await Promise.all(
    clients.map(async (client) => {
      while (!signal.aborted) {
        try {
          await live(client);
        } catch (error) {
          if (!signal.aborted) tally.add(`failed: ${String(error)}`);
        }
        await sleep(PAUSE_MS);
      }
    }),
  );
  return tally;
}

/** Writes the bytes until the connection is closed, no faster than the other side takes them. */
export async function flood(client: Client, socket: Socket, bytes: () => Uint8Array | string): Promise<void> {
  while (!socket.destroyed && !client.signal.aborted) {
    const piece = bytes();
    client.tally.add('bytes sent', piece.length);
    if (socket.write(piece)) await new Promise(setImmediate);
    else await drained(socket);
  }
}

async function drained(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

/** Resolves when it is closed, at the latest with the signal. */
export async function closed(socket: Socket): Promise<void> {
  if (socket.closed) return;
  await new Promise<void>((resolve) => void socket.once('close', () => resolve()));
}

/** Ends early with the signal. */
export async function pause(client: Client, ms: number): Promise<void> {
  await sleep(ms, undefined, { signal: client.signal }).catch(() => {});
}

/** The gateway does not see the end of what it has sent. */
export function neverRead(socket: Socket): void {
  socket.pause();
}

/** Reads everything and counts the status lines. */
export function readAndCount(client: Client, socket: Socket): void {
  socket.on('data', (chunk: Buffer) => {
    client.tally.add('bytes read', chunk.length);
    for (const [, status] of chunk.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3})/g))
      client.tally.add(`answer ${status}`);
  });
}
