import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Below what Linux hands out to outgoing connections (32768 and up), and so that a Redis Cluster's bus (port + 10000) is too.
const FIRST = 12_000;
const END = 22_000;
const handedOut = new Set<number>();

/** Test workers run side by side, and each has ports of its own: nobody listens yet on one that was just handed out. */
const WORKERS = 8;
const worker = Number(process.env['VITEST_POOL_ID'] ?? 0) % WORKERS;

/** A TCP port nobody listens on, on loopback; never the same twice. Random, as those of the files before may still be closing. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    const port = randomInt(FIRST / WORKERS, END / WORKERS) * WORKERS + worker;
    if (handedOut.has(port) || !(await isFree(port)) || !(await isFree(port + 10_000))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error(`cannot find a free port from ${FIRST} to ${END}`);
}

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
