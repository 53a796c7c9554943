import { readFileSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { cliArguments, type RedisAccess } from './access.ts';
import { runOrThrow } from '../process/run.ts';
import { requireTool } from '../process/tools.ts';

const TIMEOUT_MS = 60_000;

/**
 * Sends one command to a port or a Unix socket, on a connection of its own, and returns the reply as redis-cli prints
 * it. Rejects on an error reply. For options of redis-cli (`-n 3 GET x`, `--scan`) redis-cli is started, which costs a
 * process.
 */
export async function redisCli(
  to: number | string,
  command: readonly string[],
  access: RedisAccess = {},
): Promise<string> {
  if (command[0]?.startsWith('-') === true) {
    const address = typeof to === 'number' ? ['-h', '127.0.0.1', '-p', String(to)] : ['-s', to];
    const args = [...address, ...cliArguments(access), '-e', ...command];
    return (await runOrThrow(requireTool('redis-cli'), args)).trimEnd();
  }
  const { password } = access;
  const commands = [...(password === undefined ? [] : [['AUTH', password]]), command];
  const replies = await converse(open(to, access), commands);
  const last = replies.at(-1) ?? new Error('no reply');
  if (last instanceof Error) throw new Error(`${command.join(' ').slice(0, 200)}: ${last.message}`);
  return last.trimEnd();
}

function open(to: number | string, { tls }: RedisAccess): Socket {
  const address = typeof to === 'number' ? { host: '127.0.0.1', port: to } : { path: to };
  return tls === undefined ? connectPlain(address) : connectTls({ ...address, ca: readFileSync(tls.caFile) });
}

type Reply = string | Error;

async function converse(socket: Socket, commands: readonly (readonly string[])[]): Promise<Reply[]> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`no reply within ${TIMEOUT_MS} ms`)));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the server closed the connection')));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const replies = readReplies(received, commands.length);
      if (replies === undefined) return;
      resolve(replies);
      socket.destroy();
    });
    socket.write(commands.map(encode).join(''));
  });
}

function encode(command: readonly string[]): string {
  const words = command.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${command.length}\r\n${words.join('')}`;
}

/** Undefined while the replies are incomplete. RESP 2: https://redis.io/docs/latest/develop/reference/protocol-spec/ */
function readReplies(bytes: Buffer, count: number): Reply[] | undefined {
  let at = 0;
  const line = (): string | undefined => {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const text = bytes.toString('utf8', at, end);
    at = end + 2;
    return text;
  };
  const next = (): Reply | undefined => {
    const text = line();
    if (text === undefined) return undefined;
    const rest = text.slice(1);
    switch (text[0]) {
      case '-':
        return new Error(rest);
      case '$': {
        const length = Number(rest);
        if (length < 0) return '';
        if (bytes.length < at + length + 2) return undefined;
        const bulk = bytes.toString('utf8', at, at + length);
        at += length + 2;
        return bulk;
      }
      case '*': {
        const parts: string[] = [];
        for (let i = 0; i < Number(rest); i++) {
          const part = next();
          if (part === undefined) return undefined;
          parts.push(part instanceof Error ? part.message : part);
        }
        return parts.join('\n');
      }
      default:
        return rest; // a status or an integer
    }
  };
  const replies: Reply[] = [];
  while (replies.length < count) {
    const reply = next();
    if (reply === undefined) return undefined;
    replies.push(reply);
  }
  return replies;
}
