import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
}

export interface RequestOptions {
  method?: string;
  /** Arrays send the header several times. */
  headers?: Record<string, string | string[]>;
  body?: string | Uint8Array;
  /** Default 120 s: for the whole exchange. */
  timeoutMs?: number;
  /** Default: a separate connection, closed afterwards. Tests with many requests share connections (see keepAlive). */
  agent?: Agent;
}

/**
 * Sends an HTTP request with the path byte for byte as given: fetch would resolve `..` and encode the path again.
 * Rejects only without an answer, not for any status.
 */
export async function request(base: string, path: string, options: RequestOptions = {}): Promise<Answer> {
  const { hostname, port } = new URL(base);
  const { method = 'GET', headers = {}, body, timeoutMs = 120_000, agent } = options;
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const outgoing = httpRequest(
      {
        hostname,
        port,
        path,
        method,
        headers: { ...length, ...headers },
        agent: agent ?? false,
        signal: AbortSignal.timeout(timeoutMs),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.once('error', reject);
        incoming.once('end', () => {
          const whole = Buffer.concat(chunks);
          const { statusCode = 0, headers: received } = incoming;
          resolve({ status: statusCode, headers: received, body: whole, text: whole.toString('utf8') });
        });
      },
    );
    outgoing.once('error', (error) => {
      reject(new Error(`${method} ${base}${path}: ${error.message || error.name}`, { cause: error }));
    });
    outgoing.end(body);
  });
}

/** Connections kept open between requests; idle ones keep no process alive. */
export function keepAlive(sockets: number): Agent {
  return new Agent({ keepAlive: true, maxSockets: sockets });
}

/** Requests that a push is answered 200 after it was merged, so that the next scrape shows it. */
export const applied = { headers: { prefer: 'wait=60' } } as const satisfies RequestOptions;
