import { connect } from 'node:net';
import type { Attack, Target } from '../../attack.ts';
import { type Client, closed, pause, readAndCount, swarm } from '../../client/swarm.ts';

/** Connections that never send a request. */
async function slowHeaders(client: Client): Promise<void> {
  const socket = await client.connect();
  readAndCount(client, socket);
  socket.write('GET /metrics HTTP/1.1\r\nHost: gateway\r\n');
  for (let i = 0; !socket.closed && !client.signal.aborted; i++) {
    socket.write(`X-${i}: ${'v'.repeat(i % 2 === 0 ? 1 : 900)}\r\n`);
    await pause(client, 400);
  }
}

async function idle(client: Client): Promise<void> {
  const socket = await client.connect();
  socket.resume();
  await closed(socket);
}

async function hugeHeader(client: Client): Promise<void> {
  const socket = await client.connect();
  readAndCount(client, socket);
  socket.write(`GET /${'u'.repeat(60_000)} HTTP/1.1\r\nHost: gateway\r\nX: ${'v'.repeat(67_000)}`);
  await closed(socket);
}

async function manyHeaders(client: Client): Promise<void> {
  const socket = await client.connect();
  readAndCount(client, socket);
  const headers = Array.from({ length: 1_900 }, (_, i) => `H${i}: ${i}\r\n`).join('');
  for (let i = 0; i < 50 && !socket.closed; i++) {
    socket.write(`GET /nowhere HTTP/1.1\r\nHost: gateway\r\n${headers}\r\n`);
    await pause(client, 50);
  }
  socket.destroy();
}

async function churn(client: Client): Promise<void> {
  for (let i = 0; i < 50 && !client.signal.aborted; i++) (await client.connect()).destroy();
}

const KINDS = [slowHeaders, idle, hugeHeader, manyHeaders, churn, idle];

export const halfOpen: Attack = {
  what: 'idle connections, headers sent slowly, headers of 127 kB without an end, 1,900 headers, connect and close',
  against: 'plain',
  clients: 600,
  start: async (target, signal) =>
    swarm(target, signal, async (client) => KINDS[client.index % KINDS.length]?.(client)),
};

export const halfOpenTls: Attack = {
  what: 'TLS handshakes that are not begun, not finished, or repeated without an end',
  against: 'tls',
  clients: 200,
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      if (client.index % 10 === 0) {
        const socket = await client.connect(client.index % 20 === 0 ? 'h2' : 'http/1.1');
        socket.destroy();
        return;
      }
      await withoutHandshake(client, target);
    }),
};

async function withoutHandshake(client: Client, target: Target): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port: target.port, localAddress: client.address });
  const end = (): void => void socket.destroy();
  client.signal.addEventListener('abort', end, { once: true });
  socket.on('error', () => client.tally.add('socket error'));
  client.tally.add('connections');
  // The head of a record that announces 16 kB of a ClientHello.
  if (client.index % 2 === 0) socket.write(Buffer.from('160301400001003ffc0303', 'hex'));
  if (client.index % 3 === 0) socket.write(Buffer.alloc(2_000));
  socket.resume();
  await closed(socket);
  client.signal.removeEventListener('abort', end);
}
