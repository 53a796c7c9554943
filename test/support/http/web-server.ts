/** The gateway's HTTP server without a gateway, in this process, and clients that report how they are connected. */
import { writeFileSync } from 'node:fs';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';
import type { ComparePassword } from '../../../shared/http/gate/password-checker.ts';
import type { CutReason } from '../../../shared/http/server/connection.ts';
import { Connections, type ConnectionLimits } from '../../../shared/http/server/connections.ts';
import { createApp, listen } from '../../../shared/http/server/http-app.ts';
import { createLogger } from '../../../shared/logger.ts';
import { configFromFlags } from '../config.ts';
import { hold } from '../process/resources.ts';
import { temporaryFolder } from '../process/temporary.ts';

export interface WebOptions {
  /** Content of the web configuration file; default: no file. */
  yaml?: string;
  /** Files next to it, by name. */
  files?: Record<string, string>;
  /** Flags, in which F stands for the folder. */
  args?: readonly string[];
  compare?: ComparePassword;
  routes?: (app: FastifyInstance) => void;
}

export interface Web {
  readonly app: FastifyInstance;
  readonly folder: string;
  /** As returned by listen(). */
  readonly url: string;
  readonly port: number;
  readonly registry: Registry;
  log(): string;
  /** Writes to a file in the folder, by default `web.yml`. */
  write(content: string, name?: string): void;
}

/** Interval at which startWeb's server checks its files, ms; a change is applied when two checks see the same. */
export const POLL_MS = 50;

/** On a free port unless `args` have an address. Closed after the test. */
export async function startWeb({ yaml, files = {}, args = [], compare, routes }: WebOptions = {}): Promise<Web> {
  const folder = temporaryFolder();
  const write = (content: string, name = 'web.yml'): void => writeFileSync(join(folder, name), content);
  for (const [name, content] of Object.entries(files)) write(content, name);
  if (yaml !== undefined) write(yaml);
  const lines: string[] = [];
  const logger = createLogger({ level: 'debug', format: 'logfmt' }, { write: (line) => void lines.push(line) });
  // Only at the beginning of a value: the name of a folder may end in F.
  const flags = args.map((arg) => arg.replace(/(?<=[=:])F\//, `${folder}/`));
  const config = configFromFlags(
    ...(flags.some((flag) => flag.startsWith('--web.listen-address')) ? [] : ['--web.listen-address=127.0.0.1:0']),
    ...(yaml === undefined ? [] : [`--web.config.file=${join(folder, 'web.yml')}`]),
    ...flags,
  );
  const registry = new Registry();
  const comparePassword = compare ?? (async (password, hash) => await Promise.resolve(hash === hashOf(password)));
  const listenersOptions = { comparePassword, pollMs: POLL_MS };
  const app = createApp({ config, registry, logger, notReady: () => [], listenersOptions });
  routes?.(app);
  hold('a web server', async () => await app.close());
  const url = await listen(app, config);
  const port = url.startsWith('http') ? Number(new URL(url).port) : 0;
  return { app, folder, url, port, registry, log: () => lines.join(''), write };
}

/** Requests refused before they reached a route, by reason. */
export async function turnedAway({ registry }: Web): Promise<Record<string, number>> {
  const metric = await registry.getSingleMetric('pushgateway_http_turned_away_total')?.get();
  return Object.fromEntries((metric?.values ?? []).map(({ labels, value }) => [String(labels['reason']), value]));
}

/** A well-formed bcrypt hash, which startWeb accepts as that of the password (letters and digits only). */
export function hashOf(password: string): string {
  return `$2y$10$${'.'.repeat(53 - password.length)}${password}`;
}

export function basic(user: string, password: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

/** A table of connections whose limits are out of reach unless given. */
export function newConnections(
  limits: Partial<ConnectionLimits> = {},
  onCut: (reason: CutReason) => void = () => undefined,
): Connections {
  const longMs = 60_000;
  const times = { keepAliveMs: longMs, headersMs: longMs, bodyMs: longMs, answerMs: longMs };
  const connections = new Connections({ maxConnections: 1e6, maxBufferedBytes: 1e12, ...times, ...limits }, onCut);
  hold('a table of connections', async () => connections.close());
  return connections;
}

export interface WebAnswer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly text: string;
}

export interface AskOptions extends ConnectionOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** A request over TLS and HTTP/1.1 on a new connection. Rejects without an answer. */
export async function ask(port: number, path: string, options: AskOptions = {}): Promise<WebAnswer> {
  const { body, ...rest } = options;
  return await new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      { port, path, host: 'localhost', agent: false, rejectUnauthorized: false, family: 4, ...rest },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.once('error', reject);
        incoming.once('end', () => {
          const { statusCode = 0, headers } = incoming;
          resolve({ status: statusCode, headers, text: Buffer.concat(chunks).toString() });
        });
      },
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

/** A TLS connection after its handshake. Rejects if that fails. */
export async function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return await new Promise((resolve, reject) => {
    const socket = connectTls({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      rejectUnauthorized: false,
      ...options,
    });
    hold('a TLS connection', async () => {
      socket.destroy();
    });
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** An HTTP/2 session; closed after the test. */
export async function openHttp2(port: number, options: ConnectionOptions = {}): Promise<ClientHttp2Session> {
  const socket = await handshake(port, { ALPNProtocols: ['h2'], ...options });
  const session = connectHttp2('https://localhost', { createConnection: () => socket });
  session.on('error', () => {});
  hold('an HTTP/2 session', async () => {
    session.destroy();
  });
  return session;
}

/** One request in a session. Rejects without an answer. */
export async function askHttp2(
  session: ClientHttp2Session,
  path: string,
  { method = 'GET', headers = {}, body }: Pick<AskOptions, 'method' | 'headers' | 'body'> = {},
): Promise<WebAnswer> {
  return await new Promise((resolve, reject) => {
    const stream = session.request({ ':method': method, ':path': path, ...headers }, { endStream: body === undefined });
    let answer: Pick<WebAnswer, 'status' | 'headers'> | undefined;
    const chunks: Buffer[] = [];
    stream.once('response', (received) => (answer = { status: received[':status'] ?? 0, headers: received }));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.once('error', reject);
    stream.once('close', () => {
      if (answer === undefined) reject(new Error(`${method} ${path}: closed without an answer`));
      else resolve({ ...answer, text: Buffer.concat(chunks).toString() });
    });
    // The whole body at once exceeds the memory limit of a session in Node.
    if (body !== undefined) Readable.from(pieces(Buffer.from(body))).pipe(stream);
  });
}

function* pieces(body: Buffer): Iterable<Buffer> {
  for (let at = 0; at < body.length; at += 65_536) yield body.subarray(at, at + 65_536);
}
