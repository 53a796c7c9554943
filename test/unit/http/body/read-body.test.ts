/** Bodies over both protocols, read as ingest reads them: whole, too large, cut short. */
import { once } from 'node:events';
import { Agent } from 'node:https';
import { connect } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../../shared/errors.ts';
import { lengthOf } from '../../../../shared/http/body/body-chunks.ts';
import { discardBody } from '../../../../shared/http/body/discard-body.ts';
import { InflightBytes } from '../../../../shared/http/body/inflight-bytes.ts';
import { readBody } from '../../../../shared/http/body/read-body.ts';
import { makeCertificate } from '../../../support/http/certificates.ts';
import { eventually } from '../../../support/eventually.ts';
import { ask, askHttp2, handshake, openHttp2, startWeb, type Web } from '../../../support/http/web-server.ts';

const MiB = 1024 * 1024;
const MAX_BYTES = 4 * MiB;
const { cert, key } = makeCertificate('server');

interface Sink {
  readonly web: Web;
  readonly inflight: InflightBytes;
  /** Length or error code of each body. */
  readonly seen: (number | string)[];
}

async function startSink(isPlain = false): Promise<Sink> {
  const inflight = new InflightBytes(64 * MiB);
  const seen: (number | string)[] = [];
  const routes = (app: FastifyInstance) => {
    app.post('/sink', { config: { readsBody: true } }, async (request, reply) => {
      const hold = inflight.open(request.raw);
      try {
        const chunks = await readBody(request.raw, MAX_BYTES, hold).finally(() => hold.release());
        seen.push(lengthOf(chunks));
        return await reply.send(String(lengthOf(chunks)));
      } catch (thrown) {
        if (!(thrown instanceof GatewayError)) throw thrown;
        seen.push(thrown.code);
        discardBody(request.raw);
        return await reply.code(413).send(thrown.message);
      }
    });
  };
  const yaml = 'tls_server_config: {cert_file: c, key_file: k}';
  const tls = isPlain ? {} : { yaml, files: { c: cert, k: key } };
  return { web: await startWeb({ ...tls, routes }), inflight, seen };
}

const tooLarge = { status: 413, text: expect.stringContaining('larger than 4194304 bytes') as string };

describe.each(['HTTP/1.1', 'HTTP/2'])('%s', (protocol) => {
  /** Sends requests on one connection. */
  async function connection({ web }: Sink) {
    if (protocol === 'HTTP/2') {
      const session = await openHttp2(web.port);
      return {
        send: async (body: Buffer, headers: Record<string, string> = {}) =>
          await askHttp2(session, '/sink', { method: 'POST', body, headers }),
        end: () => session.destroy(),
      };
    }
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    return {
      send: async (body: Buffer, headers: Record<string, string> = {}) =>
        await ask(web.port, '/sink', { method: 'POST', body, headers, agent } as never),
      end: () => agent.destroy(),
    };
  }

  test('small, empty and large bodies', async () => {
    const sink = await startSink();
    const { send, end } = await connection(sink);
    for (const length of [5, 0, MAX_BYTES, 1]) {
      expect(await send(Buffer.alloc(length, 'x'))).toMatchObject({ status: 200, text: String(length) });
    }
    expect(sink.inflight.held).toBe(0);
    end();
  });

  test('a client that sends a very large body is cut off', async () => {
    const sink = await startSink();
    const { send, end } = await connection(sink);
    // The answer was sent first, but whether the client sees it depends on how it reads.
    await send(Buffer.alloc(80 * MiB)).then(
      (answer) => expect(answer).toMatchObject(tooLarge),
      (thrown: unknown) => expect(String(thrown)).toMatch(/EPIPE|ECONNRESET|without an answer|hang up|RST/i),
    );
    end();
    expect(sink.inflight.held).toBe(0);
  });

  test.each([
    ['announced', { 'content-length': String(8 * MiB) }],
    ['not announced', protocol === 'HTTP/2' ? {} : { 'transfer-encoding': 'chunked' }],
  ] as [string, Record<string, string>][])('too large, %s', async (_how, headers) => {
    const sink = await startSink();
    const { send, end } = await connection(sink);
    expect(await send(Buffer.alloc(8 * MiB), headers)).toMatchObject(tooLarge);
    // The connection can still be used.
    expect(await send(Buffer.alloc(1_000))).toMatchObject({ status: 200, text: '1000' });
    expect(sink.inflight.held).toBe(0);
    end();
  });
});

// As the Python client does: after a broken pipe it could not read the answer.
test('a client that sends everything before it reads, and then closes the connection', async () => {
  const { web } = await startSink(true);
  const socket = connect({ port: web.port, host: '127.0.0.1', allowHalfOpen: true });
  const length = 8 * MiB;
  socket.pause();
  socket.write(`POST /sink HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`);
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.write(Buffer.alloc(length), () => resolve());
  });
  const answer: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => answer.push(chunk)).resume();
  await once(socket, 'end');
  socket.end();
  expect(String(Buffer.concat(answer))).toMatch(/^HTTP\/1\.1 413 [^]*larger than 4194304 bytes/);
});

const seenIn = async ({ seen, inflight }: Sink) => {
  await eventually(() => seen.length === 1);
  expect(inflight.held).toBe(0);
  return seen;
};

describe('cut short', () => {
  test('HTTP/1.1', async () => {
    const sink = await startSink();
    const socket = await handshake(sink.web.port);
    socket.write('POST /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf');
    await eventually(() => sink.inflight.held === 4);
    socket.destroy();
    expect(await seenIn(sink)).toEqual(['body_incomplete']);
  });

  // Node reports such a request as complete.
  test.each([
    ['RST_STREAM with NO_ERROR', 0],
    ['RST_STREAM with CANCEL', 8],
    ['the connection ends', undefined],
    ['END_STREAM before its length', 'end'],
  ] as const)('HTTP/2: %s', async (_how, code) => {
    const sink = await startSink();
    const socket = await handshake(sink.web.port, { ALPNProtocols: ['h2'] });
    socket.on('error', () => {});
    socket.resume();
    socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0)]));
    socket.write(frame(1, END_HEADERS, 1, postHeaders('/sink', '10')));
    socket.write(frame(0, 0, 1, Buffer.from('half')));
    await eventually(() => sink.inflight.held === 4);
    if (code === 'end') socket.write(frame(0, END_STREAM, 1));
    else if (code === undefined) socket.destroy();
    else socket.write(frame(3, 0, 1, Buffer.from([0, 0, 0, code])));
    expect(await seenIn(sink)).toEqual(['body_incomplete']);
    socket.destroy();
    if (!socket.closed) await once(socket, 'close');
  });
});

const END_STREAM = 1;
const END_HEADERS = 4;

/** RFC 9113, 4.1. */
function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** RFC 7541: :method POST and :scheme https by index; :path, :authority and content-length literally. */
function postHeaders(path: string, contentLength: string): Buffer {
  return Buffer.concat([
    Buffer.from([0x83, 0x87]),
    literal([0x04], path),
    literal([0x01], 'localhost'),
    literal([0x0f, 0x0d], contentLength),
  ]);
}

function literal(index: number[], value: string): Buffer {
  return Buffer.concat([Buffer.from([...index, value.length]), Buffer.from(value)]);
}
