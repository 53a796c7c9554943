import { connect } from 'node:net';

export interface RawOptions {
  /** What to do after everything is sent; with `wait` the server closes the connection. Default `wait`. */
  ending?: 'wait' | 'end' | 'destroy';
  /**
   * Returns true if enough was received; the client then closes the connection. Default: the server has to close it.
   */
  until?: RegExp;
  /** Default 20 s. */
  timeoutMs?: number;
}

/**
 * Writes bytes to a TCP port and returns what was received until the connection was closed: for requests that no HTTP
 * client sends. Rejects if the connection is still open at the timeout; a reset counts as closed.
 */
export async function rawRequest(port: number, parts: readonly string[], options: RawOptions = {}): Promise<string> {
  const { ending = 'wait', until, timeoutMs = 20_000 } = options;
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the connection is still open after ${timeoutMs} ms; received: ${received}`));
    }, timeoutMs);
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      received += chunk;
      if (until?.test(received) === true) socket.destroy();
    });
    socket.once('error', () => {}); // `close` follows
    socket.once('end', () => socket.end());
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(received);
    });
    for (const part of parts.slice(0, -1)) socket.write(part);
    socket.write(parts.at(-1) ?? '', () => {
      if (ending === 'end') socket.end();
      if (ending === 'destroy') socket.destroy();
    });
  });
}
