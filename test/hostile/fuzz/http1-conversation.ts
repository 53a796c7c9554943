/** One connection with some requests, sent in random pieces, and the check of the answers. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, parseAnswers } from './http1-answers.ts';
import { oddPart, type Part, TAG, validPart } from './http1-requests.ts';
import { Random } from './random.ts';

/** A server that has not answered and closed after that, hangs. */
export const HANG_MS = 60_000;

interface Options {
  /** nginx gives up the requests of a client that has ended its side. */
  readonly isProxied?: boolean;
  /** The tags of pushes that were answered 202. */
  readonly stored?: Set<string>;
}

export async function converse(
  port: number,
  seed: number,
  { isProxied = false, stored }: Options = {},
): Promise<string[]> {
  const random = new Random(seed);
  const id = seed.toString(36);
  const parts = Array.from({ length: 1 + random.below(8) }, (_, n) =>
    random.chance(0.35) ? oddPart(random, id, n, isProxied) : validPart(random, id, n),
  );
  const all = Buffer.from(parts.map((part) => part.bytes).join(''), 'latin1');
  const isCut = random.chance(0.15);
  const bytes = isCut ? all.subarray(0, random.below(all.length)) : all;
  if (isCut) cutParts(parts, bytes.length);
  const socket = await connectTo(port);
  const due = dueCount(parts, isProxied);
  const { ended, answered } = collect(socket, (text) => answersOf(parts, text).length >= due);
  await send(random, socket, bytes);
  if (!isCut && (isProxied || random.chance(0.5))) await answered;
  if (isCut && random.chance(0.5)) socket.resetAndDestroy();
  else socket.end();
  const { text, isClosed } = await ended;
  const faults = check(parts, text, isCut ? 0 : due, stored);
  if (!isClosed) faults.push(`the connection was not closed in ${HANG_MS} ms after its end`);
  return faults.map((fault) => `${fault}\n  sent: ${parts.map((part) => `${part.what} (${part.kind})`).join(', ')}`);
}

/** Leaves what is sent of them. A request that is not complete may be answered with an error. */
function cutParts(parts: Part[], length: number): void {
  let at = 0;
  const [cut] = parts.splice(parts.findIndex((part) => (at += part.bytes.length) > length));
  if (cut !== undefined && at - cut.bytes.length < length)
    parts.push({ ...cut, kind: 'malformed', what: `${cut.what}, cut` });
}

export async function connectTo(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {}); // `close` follows
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve);
    socket.once('close', () => resolve());
  });
  return socket;
}

interface Collected {
  readonly ended: Promise<{ text: string; isClosed: boolean }>;
  /** Settles at the latest with `ended`. */
  readonly answered: Promise<void>;
}

function collect(socket: Socket, isAnswered: (text: string) => boolean): Collected {
  const chunks: Buffer[] = [];
  const text = (): string => Buffer.concat(chunks).toString('latin1');
  let isClosed = false;
  const ended = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, HANG_MS);
    const end = (): void => {
      isClosed = true;
      clearTimeout(timer);
      resolve();
    };
    socket.once('end', end);
    socket.once('close', end);
  });
  const answered = new Promise<void>((resolve) => {
    if (isAnswered('')) resolve();
    void ended.then(resolve);
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (isAnswered(text())) resolve();
    });
  });
  return {
    answered,
    ended: ended.then(() => {
      socket.destroy();
      return { text: text(), isClosed };
    }),
  };
}

async function send(random: Random, socket: Socket, bytes: Buffer): Promise<void> {
  const isSlow = random.chance(0.3);
  const pieces = isSlow ? 1 + random.below(20) : 1;
  for (let at = 0, i = 0; at < bytes.length && !socket.destroyed; i++) {
    const left = bytes.length - at;
    const size = i + 1 >= pieces ? left : 1 + random.below(Math.min(left, 200));
    socket.write(bytes.subarray(at, at + size));
    at += size;
    if (isSlow) await sleep(random.below(3));
  }
}

/** What the answers violate; at least the first `due` requests have to be answered. */
export function check(parts: readonly Part[], text: string, due: number, stored?: Set<string>): string[] {
  const faults: string[] = [];
  const answers = answersOf(parts, text);
  const seen = new Set<string>();
  let next = 0;
  for (const answer of answers) {
    const tags = new Set(`${answer.head}\n${answer.body}`.match(TAG));
    for (const tag of tags) {
      if (tag.startsWith('s')) faults.push(`a hidden request was answered: ${show(answer)}`);
      if (seen.has(tag)) faults.push(`a request was answered twice: ${show(answer)}`);
      seen.add(tag);
    }
    const at = parts.findIndex((part, i) => i >= next && isAnswerOf(part, answer, tags));
    if (at < 0) {
      if (parts.slice(0, next + 1).every(isValid)) faults.push(`no request expects this answer: ${show(answer)}`);
      continue;
    }
    const skipped = parts.slice(next, at);
    if (parts.slice(0, at).every(isValid) && skipped.length > 0)
      faults.push(`"${skipped[0]?.what}" was not answered before: ${show(answer)}`);
    const { pushed } = parts[at] ?? {};
    if (pushed !== undefined && answer.status === 202) stored?.add(pushed);
    next = at + 1;
  }
  const [odd, ...more] = parts.filter((part) => !isValid(part));
  const mayBeSeveral = more.length > 0 || /one byte changed|noise/.test(odd?.what ?? '') || /\/u[0-9a-z]+x/.test(text);
  if (!mayBeSeveral && answers.length > parts.length)
    faults.push(`${parts.length} requests were answered ${answers.length} times: ${show(answers.at(-1) ?? NO_ANSWER)}`);
  if (next < due) faults.push(`${due - next} valid requests were not answered; received: ${text.slice(-300)}`);
  return faults;
}

/** Until something odd was sent, the n-th answer is that to the n-th request. */
function answersOf(parts: readonly Part[], text: string): Answer[] {
  return parseAnswers(text, (n) => parts[n]?.isHead === true && n < validCount(parts)).answers;
}

/** How many have to be answered. */
function dueCount(parts: readonly Part[], isProxied: boolean): number {
  const last = isProxied ? parts.findIndex((part) => part.isEarly === true) : -1;
  return last < 0 ? validCount(parts) : Math.min(last + 1, validCount(parts));
}

/** Of the requests before the first odd one. */
function validCount(parts: readonly Part[]): number {
  const firstOdd = parts.findIndex((part) => !isValid(part));
  return firstOdd < 0 ? parts.length : firstOdd;
}

const isValid = ({ kind }: Part): boolean => kind === 'valid';

function isAnswerOf(part: Part, answer: Answer, tags: ReadonlySet<string>): boolean {
  const isExpected =
    (part.status === 0 || answer.status === part.status) && (part.tag === undefined || tags.has(part.tag));
  const isAnyError = answer.status >= 400 && tags.size === 0;
  switch (part.kind) {
    case 'valid':
      return part.status === 0 ? tags.size === 0 || isExpected : isExpected;
    case 'tolerated':
      return part.status === 0 || isExpected || isAnyError;
    case 'malformed':
      return isExpected || isAnyError;
    default:
      return part.kind satisfies never;
  }
}

const NO_ANSWER: Answer = { status: 0, head: '', body: '' };

const show = ({ head, body }: Answer): string => JSON.stringify(`${head}\n${body.slice(0, 200)}`);
