import { connect, type Socket } from 'node:net';
import { bodies, groupPath, type Shape } from './workload.ts';

export interface Fill {
  readonly url: string;
  /** Groups from `from` to `to`, exclusive; one push each. */
  readonly from?: number;
  readonly to: number;
  readonly shape: Shape;
  readonly connections?: number;
  /** Requests in flight on each connection. */
  readonly depth?: number;
}

/** Pushes every group once, pipelined. Returns the duration in seconds; throws if a push is rejected. */
export async function fill({ url, from = 0, to, shape, connections = 16, depth = 8 }: Fill): Promise<number> {
  const startedMs = performance.now();
  const ready = bodies(shape).map((body) => Buffer.from(body));
  let next = from;
  const take = (): Buffer | undefined => {
    if (next >= to) return undefined;
    const group = next++;
    const body = ready[group % ready.length] ?? Buffer.alloc(0);
    const head = `PUT /metrics${groupPath(group)} HTTP/1.1\r\nHost: bench\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), body]);
  };
  await Promise.all(Array.from({ length: connections }, async () => await lane(url, take, depth)));
  return (performance.now() - startedMs) / 1_000;
}

async function lane(url: string, take: () => Buffer | undefined, depth: number): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  let underWay = 0;
  const send = (): void => {
    socket.cork();
    for (; underWay < depth; underWay++) {
      const request = take();
      if (request === undefined) break;
      socket.write(request);
    }
    process.nextTick(() => socket.uncork());
  };
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => {
        send();
        if (underWay === 0) resolve();
      });
      socket.once('error', reject);
      socket.once('close', () => reject(new Error(`${url} closed the connection`)));
      onStatus(socket, (status) => {
        if (status !== '200' && status !== '202') reject(new Error(`a push to ${url} was answered ${status}`));
        underWay--;
        if (underWay <= depth / 2) send();
        if (underWay === 0) resolve();
      });
    });
  } finally {
    socket.destroy();
  }
}

const STATUS_LINE = 'HTTP/1.1 ';

/** Calls back with the status of each answer. Bodies of answers to pushes never look like a status line. */
function onStatus(socket: Socket, call: (status: string) => void): void {
  let rest = '';
  socket.on('data', (chunk: Buffer) => {
    const text = rest + chunk.toString('latin1');
    const statusAt = (line: number): number => line + STATUS_LINE.length;
    let seen = 0;
    for (let line = text.indexOf(STATUS_LINE); line !== -1; line = text.indexOf(STATUS_LINE, seen)) {
      if (text.length < statusAt(line) + 3) break;
      call(text.slice(statusAt(line), statusAt(line) + 3));
      seen = statusAt(line) + 3;
    }
    // Enough for a status line that was split between two pieces.
    rest = text.slice(Math.max(seen, text.length - STATUS_LINE.length - 3));
  });
}
