import { connect, type Socket } from 'node:net';

export interface Scrape {
  readonly ms: number;
  /** Time until the first byte of the answer. */
  readonly firstByteMs: number;
  readonly bytes: number;
}

/**
 * One scraper with one connection. It reads into one buffer and parses little more than the end of the answer, so that
 * the measured time is that of the server and the kernel.
 */
export class Scraper {
  readonly #socket: Socket;
  readonly #head: string;
  readonly #connected: Promise<void>;
  #onBytes: (buffer: Buffer, length: number) => void = () => undefined;
  #onLost: (error: Error) => void = () => undefined;

  constructor(url: string, encoding: 'identity' | 'gzip', path = '/metrics') {
    const { hostname, port } = new URL(url);
    this.#head = `GET ${path} HTTP/1.1\r\nHost: bench\r\nAccept: text/plain;version=0.0.4\r\nAccept-Encoding: ${encoding}\r\n\r\n`;
    this.#socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(512 * 1024),
        callback: (length, buffer) => {
          this.#onBytes(buffer as Buffer, length);
          return true;
        },
      },
    });
    this.#connected = new Promise((resolve, reject) => {
      this.#socket.once('connect', resolve);
      this.#socket.once('error', reject);
    });
    this.#socket.on('error', (error) => this.#onLost(error));
    this.#socket.on('close', () => this.#onLost(new Error(`${url} closed the connection`)));
  }

  async scrape(): Promise<Scrape> {
    await this.#connected;
    return await new Promise((resolve, reject) => {
      this.#onLost = reject;
      let firstByteMs = 0;
      let bytes = 0;
      let head = '';
      let total: number | undefined;
      let tail = Buffer.alloc(0);
      const startedMs = performance.now();
      const finish = (): void => {
        this.#onLost = () => undefined;
        this.#onBytes = () => undefined;
        resolve({ ms: performance.now() - startedMs, firstByteMs, bytes });
      };
      this.#onBytes = (buffer, length) => {
        if (bytes === 0) firstByteMs = performance.now() - startedMs;
        bytes += length;
        if (total === undefined) {
          head += buffer.toString('latin1', 0, Math.min(length, 4_096));
          const end = head.indexOf('\r\n\r\n');
          if (end === -1) return;
          if (!head.startsWith('HTTP/1.1 200 '))
            return reject(new Error(`a scrape was answered ${head.slice(0, 200)}`));
          const stated = /^content-length: *(\d+)/im.exec(head.slice(0, end))?.[1];
          total = stated === undefined ? Infinity : end + 4 + Number(stated);
        }
        if (total !== Infinity) {
          if (bytes >= total) finish();
          return;
        }
        tail = Buffer.concat([tail, buffer.subarray(Math.max(0, length - 7), length)]).subarray(-7);
        if (tail.toString('latin1') === '\r\n0\r\n\r\n') finish();
      };
      this.#socket.write(this.#head);
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
