/**
 * TCP ports on loopback that belong to this test file until it ends. No other test file gets them, in this or any
 * other run on the machine, even in another clone.
 *
 * The ports are divided into blocks. A process owns a block while it listens on the block's first port: the kernel
 * allows only one, and takes the block back when the process dies. All ports, and those of a Redis Cluster's bus (port
 * + 10000), are below the range from which operating systems choose ports for outgoing connections and for port 0.
 */
import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

export const BUS_OFFSET = 10_000;

const FIRST = 12_000;
const END = 22_000;
const BLOCK = 50;

const locks: Server[] = [];
let left: number[] = [];

/** A free port that no other test file uses. It is never returned twice in one file. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = left.pop() ?? (await takeBlock());
    if ((await isFree(port)) && (await isFree(port + BUS_OFFSET))) return port;
  }
}

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

/** Releases the ports at the end of a file. */
export async function releasePorts(): Promise<void> {
  left = [];
  await Promise.all(locks.splice(0).map(async (lock) => new Promise((done) => lock.close(done))));
}

/** Takes a block and returns its first port; the others are kept for later calls. */
async function takeBlock(): Promise<number> {
  const count = (END - FIRST) / BLOCK;
  const offset = randomInt(count);
  for (let i = 0; i < count; i++) {
    const start = FIRST + ((offset + i) % count) * BLOCK;
    const lock = await listenOn(start);
    if (lock === undefined) continue;
    locks.push(lock);
    // Two callers may have taken a block each.
    left.push(...Array.from({ length: BLOCK - 2 }, (_, port) => start + BLOCK - 1 - port));
    return start + 1;
  }
  throw new Error(`cannot find free ports: all ${count} blocks from ${FIRST} to ${END} are in use`);
}

async function isFree(port: number): Promise<boolean> {
  const server = await listenOn(port);
  if (server === undefined) return false;
  await new Promise((done) => server.close(done));
  return true;
}

/** Undefined if another process listens there. Does not keep the process alive. */
export async function listenOn(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server.unref()));
  });
}
