import { connect, type Socket } from 'node:net';
import { SHAPES } from '../harness/fleet.ts';
import { TOPOLOGIES } from '../harness/backend.ts';
import type { Fault } from '../harness/scenario.ts';

// The content of Redis is wrong, or clients misbehave.

const scriptFlush: Fault = {
  name: 'SCRIPT FLUSH, again and again',
  topologies: TOPOLOGIES,
  shapes: SHAPES,
  run: async ({ backend, hold }) => {
    for (let round = 0; round < 12; round++) {
      for (const node of await backend.masters()) await node.cli('SCRIPT', 'FLUSH');
      await hold(250);
    }
  },
};

const full: Fault = {
  name: 'maxmemory reached',
  topologies: TOPOLOGIES,
  shapes: SHAPES,
  run: async ({ backend, hold }) => {
    const masters = await backend.masters();
    for (const node of masters) await node.cli('CONFIG', 'SET', 'maxmemory', (await node.info('used_memory')) ?? '');
    await hold();
    for (const node of masters) await node.cli('CONFIG', 'SET', 'maxmemory', '0');
    // Until the gateways have noticed it; they check every second.
    await hold(1_500);
  },
  allows: { refused: true },
};

const flushed: Fault = {
  name: 'FLUSHALL',
  topologies: TOPOLOGIES,
  shapes: SHAPES,
  run: async ({ backend, workload, hold }) => {
    const sentMs = Date.now();
    for (const node of await backend.masters()) await node.cli('FLUSHALL');
    workload.flushes.push({ sentMs, answeredMs: Date.now() });
    await hold();
  },
};

const moved: Fault = {
  name: 'slots migrated under load',
  topologies: ['cluster'],
  shapes: SHAPES,
  run: async ({ backend }) => {
    const masters = await backend.masters();
    for (let shard = 0; shard < backend.shards; shard++) {
      const from = await backend.masterOf(`{${shard}}`);
      const to = masters[(masters.indexOf(from) + 1) % masters.length];
      const migration = to && (await backend.migrate?.(`{${shard}}`, to));
      // One key at a time, so that scripts find a shard that is split between two masters.
      for (const key of (await migration?.keys()) ?? []) await migration?.move([key]);
      await migration?.finish();
    }
  },
};

/** Entries that no gateway writes: a foreign entry, a later version, an invalid body. */
const POISON: readonly (readonly string[])[] = [
  ['hello', 'world'],
  ['v', '99', 'id', 'poison.1', 'body', ''],
  ['v', '2', 'id', 'poison.2', 'since', '', 'verb', 'PUT', 'kind', 'push', 'at', '1', 'ttl', '0', 'body', '<html>\n'],
];

const poisoned: Fault = {
  name: 'poison pushes',
  topologies: TOPOLOGIES,
  shapes: SHAPES,
  run: async ({ backend }) => {
    for (let shard = 0; shard < backend.shards; shard++) {
      const node = await backend.masterOf(`{${shard}}`);
      for (const [i, fields] of POISON.entries()) {
        const own = fields.map((field) => (field.startsWith('poison.') ? `${field}.${shard}.${i}` : field));
        await node.cli('XADD', `pgw:{${shard}}:pushes`, '*', ...own);
      }
    }
  },
  allows: { deadLetters: ({ shards }) => POISON.length * shards },
};

/** Sends requests continuously and never reads the answers. */
const slowReader: Fault = {
  name: 'scrapers that do not read',
  topologies: TOPOLOGIES,
  shapes: SHAPES,
  run: async ({ fleet, hold }) => {
    const sockets = fleet.doing('reader').flatMap(({ gateway }) => Array.from({ length: 5 }, () => mute(gateway.port)));
    await hold();
    for (const socket of sockets) socket.destroy();
  },
};

function mute(port: number): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.pause();
  socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(50));
  return socket;
}

export const stateFaults: readonly Fault[] = [scriptFlush, full, flushed, moved, poisoned, slowReader];
