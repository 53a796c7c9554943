/** One HTTP/2 connection with tagged requests and frames that are wrong, and the check of what each stream received. */
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import * as h2 from '../client/http2-frames.ts';
import { HANG_MS } from './http1-conversation.ts';
import { TAG } from './http1-requests.ts';
import { Random } from './random.ts';

interface Stream {
  readonly what: string;
  readonly tag: string | undefined;
  /** Has to be answered if nothing on the connection is wrong. */
  readonly isValid: boolean;
  readonly frames: readonly Buffer[];
}

const BODY = Buffer.from('fuzz_value 1\n');

export async function converseHttp2(port: number, seed: number, lost: Set<string>): Promise<string[]> {
  const random = new Random(seed);
  const id = seed.toString(36);
  let n = 0;
  let isOdd = false;
  const streams = new Map<number, Stream>();
  const frames: Buffer[] = [
    h2.PREFACE,
    h2.settings(random.chance(0.3) ? { [h2.INITIAL_WINDOW_SIZE]: random.below(64) } : {}),
  ];
  const queues: Buffer[][] = [];
  for (let stream = 1; stream <= 2 * (1 + random.below(8)); stream += 2) {
    const made = random.chance(0.25) ? oddStream(random, stream, id, n, lost) : validStream(random, stream, id, n);
    n++;
    isOdd ||= !made.isValid;
    streams.set(stream, made);
    queues.push([...made.frames]);
  }
  // HEADERS in the order of their numbers, what follows them in any order.
  for (const queue of queues) frames.push(...queue.splice(0, 1));
  for (let left = queues.filter((queue) => queue.length > 0); left.length > 0; left = left.filter((q) => q.length > 0))
    frames.push(...random.one(left).splice(0, 1));
  for (const stream of streams.keys()) frames.push(h2.frame(h2.WINDOW_UPDATE, 0, stream, h2.number32(65_535)));
  if (random.chance(0.35)) {
    isOdd = true;
    frames.splice(1 + random.below(frames.length), 0, oddFrame(random));
  }
  const bytes = Buffer.concat(frames);
  const isCut = random.chance(0.15);
  return exchange(random, port, isCut ? bytes.subarray(0, random.below(bytes.length)) : bytes, streams, isOdd || isCut);
}

function validStream(random: Random, stream: number, id: string, n: number): Stream {
  const tag = `t${id}x${n}z`;
  const hidden = Buffer.from(`GET //fuzz/s${id}x${n}z HTTP/1.1\r\nHost: smuggled\r\n\r\n`);
  const end = h2.END_HEADERS | h2.END_STREAM;
  const headers = (method: string, path: string, flags: number, more: [string, string][] = []): Buffer =>
    h2.frame(h2.HEADERS, flags, stream, h2.requestBlock(method, path, more));
  return random.one<Stream>([
    { what: 'redirect', tag, isValid: true, frames: [headers('GET', `//fuzz/${tag}`, end)] },
    { what: 'fault', tag, isValid: true, frames: [headers('DELETE', `/metrics/job/x/${tag}`, end)] },
    {
      what: 'body',
      tag,
      isValid: true,
      frames: [
        headers('PUT', `/metrics/job/x/${tag}`, h2.END_HEADERS, [['content-length', String(hidden.length)]]),
        h2.frame(h2.DATA, 0, stream, hidden.subarray(0, 9)),
        h2.frame(h2.DATA, h2.END_STREAM, stream, hidden.subarray(9)),
      ],
    },
    {
      what: 'trailers',
      tag,
      isValid: true,
      frames: [
        headers('POST', `/metrics/job/x/${tag}`, h2.END_HEADERS),
        h2.frame(h2.DATA, 0, stream, BODY),
        h2.frame(h2.HEADERS, end, stream, h2.headerBlock([['x-trailer', 'v']])),
      ],
    },
    {
      what: 'push',
      tag: undefined,
      isValid: true,
      frames: [
        headers('PUT', `/metrics/job/fuzz2/tag/${tag}`, h2.END_HEADERS),
        h2.frame(h2.DATA, h2.END_STREAM, stream, BODY),
      ],
    },
  ]);
}

/** `lost` receives the tags of pushes that must not be stored. */
function oddStream(random: Random, stream: number, id: string, n: number, lost: Set<string>): Stream {
  const tag = `t${id}x${n}z`;
  const hidden = `s${id}x${n}z`;
  const end = h2.END_HEADERS | h2.END_STREAM;
  const get = (path: string, more: [string, string][] = []): Buffer =>
    h2.frame(h2.HEADERS, end, stream, h2.requestBlock('GET', path, more));
  const raw = (fields: [string, string][]): Buffer => h2.frame(h2.HEADERS, end, stream, h2.headerBlock(fields));
  const whole: [string, string][] = [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':authority', 'f'],
    [':path', `//fuzz/${tag}`],
  ];
  const push = (length: number, body: Buffer, last: Buffer[] = []): Buffer[] => {
    lost.add(tag);
    return [
      h2.frame(
        h2.HEADERS,
        h2.END_HEADERS,
        stream,
        h2.requestBlock('PUT', `/metrics/job/fuzz2/tag/${tag}`, [['content-length', String(length)]]),
      ),
      h2.frame(h2.DATA, last.length > 0 ? 0 : h2.END_STREAM, stream, body),
      ...last,
    ];
  };
  const [what, make] = random.one<readonly [string, () => Buffer[]]>([
    ['CRLF in the path', () => [get(`//fuzz/${tag} HTTP/1.1\r\nHost: x\r\n\r\nGET //fuzz/${hidden}`)]],
    ['CRLF in a header', () => [get(`//fuzz/${tag}`, [['x', `a\r\n\r\nGET //fuzz/${hidden} HTTP/1.1\r\n\r\n`]])]],
    ['transfer-encoding', () => [get(`//fuzz/${tag}`, [['transfer-encoding', 'chunked']])]],
    ['connection', () => [get(`//fuzz/${tag}`, [['connection', 'keep-alive']])]],
    ['upper-case name', () => [get(`//fuzz/${tag}`, [['X-Upper', 'v']])]],
    ['empty name', () => [get(`//fuzz/${tag}`, [['', 'v']])]],
    ['pseudo-header after others', () => [raw([['x', 'v'], ...whole])]],
    ['two paths', () => [raw([...whole, [':path', `//fuzz/${hidden}`]])]],
    ['no path', () => [raw(whole.slice(0, 3))]],
    ['no method', () => [raw(whole.slice(1))]],
    ['unknown pseudo-header', () => [raw([...whole, [':unknown', 'v']])]],
    ['two hosts', () => [get(`//fuzz/${tag}`, [['host', 'another']])]],
    [
      'two lengths',
      () => [
        get(`//fuzz/${tag}`, [
          ['content-length', '0'],
          ['content-length', '5'],
        ]),
      ],
    ],
    [
      'CONNECT',
      () => [
        raw([
          [':method', 'CONNECT'],
          [':authority', 'fuzz:80'],
        ]),
      ],
    ],
    ['extended CONNECT', () => [raw([[':method', 'CONNECT'], [':protocol', 'websocket'], ...whole.slice(1)])]],
    ['fewer bytes than announced', () => push(BODY.length + 5, BODY)],
    ['more bytes than announced', () => push(5, BODY)],
    [
      'reset before the end',
      () => push(BODY.length, BODY.subarray(0, 5), [h2.frame(h2.RST_STREAM, 0, stream, h2.number32(8))]),
    ],
    ['noise as a header block', () => [h2.frame(h2.HEADERS, end, stream, random.bytes(random.below(60)))]],
    [
      'stream depends on itself',
      () => [
        h2.frame(
          h2.HEADERS,
          end | 0x20,
          stream,
          Buffer.concat([h2.number32(stream), Buffer.from([9]), h2.headerBlock(whole)]),
        ),
      ],
    ],
    ['data after the end', () => [get(`//fuzz/${tag}`), h2.frame(h2.DATA, h2.END_STREAM, stream, BODY)]],
    ['headers after the end', () => [get(`//fuzz/${tag}`), get(`//fuzz/${hidden}`)]],
    ['window of 0', () => [get(`//fuzz/${tag}`), h2.frame(h2.WINDOW_UPDATE, 0, stream, h2.number32(0))]],
    [
      'window above the maximum',
      () => [get(`//fuzz/${tag}`), h2.frame(h2.WINDOW_UPDATE, 0, stream, h2.number32(h2.MAX_WINDOW))],
    ],
    [
      'padding above the length',
      () => [h2.frame(h2.HEADERS, end | h2.PADDED, stream, Buffer.concat([Buffer.from([255]), h2.headerBlock(whole)]))],
    ],
    [
      'continuation',
      () => [
        Buffer.concat([
          h2.frame(h2.HEADERS, h2.END_STREAM, stream, h2.headerBlock(whole.slice(0, 2))),
          h2.frame(h2.CONTINUATION, h2.END_HEADERS, stream, h2.headerBlock(whole.slice(2))),
        ]),
      ],
    ],
  ]);
  return { what, tag, isValid: false, frames: make() };
}

function oddFrame(random: Random): Buffer {
  return random.one<() => Buffer>([
    () => random.bytes(1 + random.below(60)),
    () => h2.frame(random.below(256), random.below(256), random.below(20), random.bytes(random.below(40))),
    () => h2.frame(h2.SETTINGS, 0, 0, Buffer.alloc(5)),
    () => h2.frame(h2.SETTINGS, h2.ACK, 0, Buffer.alloc(6)),
    () => h2.settings({ [h2.INITIAL_WINDOW_SIZE]: 0xff_ff_ff_ff }),
    () => h2.settings({ 5: 100, 1: 0 }),
    () => h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 2, h2.requestBlock('GET', '/-/healthy')),
    () => h2.frame(h2.DATA, 0, 0, BODY),
    () => h2.frame(h2.DATA, 0, 99, BODY),
    () => h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, h2.headerBlock([['x', 'y']])),
    () => h2.frame(h2.PUSH_PROMISE, h2.END_HEADERS, 1, Buffer.concat([h2.number32(2), h2.requestBlock('GET', '/')])),
    () => h2.frame(h2.PING, 0, 0, Buffer.alloc(7)),
    () => h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.number32(h2.MAX_WINDOW)),
    () => h2.frame(h2.RST_STREAM, 0, 1, h2.number32(8)),
    () => h2.frame(h2.RST_STREAM, 0, 77, h2.number32(8)),
    () => h2.frame(h2.GOAWAY, 0, 0, Buffer.alloc(8)),
    () => h2.frame(h2.DATA, 0, 1, Buffer.alloc(20_000)),
    () => h2.PREFACE,
  ])();
}

async function exchange(
  random: Random,
  port: number,
  bytes: Buffer,
  streams: ReadonlyMap<number, Stream>,
  isOdd: boolean,
): Promise<string[]> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  socket.on('error', () => {}); // `close` follows
  const bodies = new Map<number, string>();
  const ended = new Map<number, number>();
  const reader = new h2.FrameReader();
  const due = isOdd ? [] : [...streams.keys()];
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, HANG_MS);
    const finish = (): void => {
      clearTimeout(timer);
      resolve();
    };
    socket.once('close', finish);
    socket.on('data', (chunk: Buffer) => {
      for (const { type, flags, stream, payload } of reader.read(chunk)) {
        if (type === h2.DATA) bodies.set(stream, (bodies.get(stream) ?? '') + payload.toString('latin1'));
        if ((type === h2.DATA || type === h2.HEADERS) && (flags & h2.END_STREAM) !== 0)
          ended.set(stream, (ended.get(stream) ?? 0) + 1);
      }
      if (due.length > 0 && due.every((stream) => ended.has(stream))) finish();
    });
    socket.once('secureConnect', () => void sendPieces(random, socket, bytes, isOdd));
  });
  socket.destroy();
  return check(streams, bodies, ended, due);
}

/** What is odd may be answered or not: the connection is ended from here a little later. */
async function sendPieces(random: Random, socket: Socket, bytes: Buffer, isOdd: boolean): Promise<void> {
  for (let at = 0; at < bytes.length && !socket.destroyed;) {
    const size = random.chance(0.5) ? bytes.length - at : 1 + random.below(bytes.length - at);
    socket.write(bytes.subarray(at, at + size));
    at += size;
    if (at < bytes.length) await sleep(random.below(3));
  }
  if (!isOdd) return;
  await sleep(50);
  socket.destroy();
}

function check(
  streams: ReadonlyMap<number, Stream>,
  bodies: ReadonlyMap<number, string>,
  ended: ReadonlyMap<number, number>,
  due: readonly number[],
): string[] {
  const faults: string[] = [];
  for (const [stream, body] of bodies) {
    for (const tag of new Set(body.match(TAG))) {
      if (tag.startsWith('s')) faults.push(`a hidden request was answered: ${body}`);
      else if (streams.get(stream)?.tag !== tag)
        faults.push(`stream ${stream} received the answer of another: ${body}`);
    }
  }
  for (const [stream, count] of ended) if (count > 1) faults.push(`stream ${stream} was answered ${count} times`);
  for (const stream of due) {
    const { tag, what } = streams.get(stream) ?? {};
    if (!ended.has(stream)) faults.push(`stream ${stream} ("${what}") was not answered in ${HANG_MS} ms`);
    else if (tag !== undefined && bodies.get(stream)?.includes(tag) !== true)
      faults.push(`stream ${stream} ("${what}") was answered without its tag: ${bodies.get(stream)}`);
  }
  const kinds = [...streams.values()].map(({ what }) => what).join(', ');
  return faults.map((fault) => `${fault}\n  sent: ${kinds}`);
}
