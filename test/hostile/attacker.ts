/**
 * Runs one attack: `node attacker.js NAME PORT KIND CLIENTS SECONDS`. Writes one line when it begins, and one line of
 * JSON when it ends: what was sent and answered, and the CPU time that this has taken.
 */
import { setMaxListeners } from 'node:events';
import type { GatewayKind } from './attack.ts';
import { ATTACKS } from './attacks.ts';

const MAX_PREPARE_MS = 60_000;

const [name = '', port, kind, clients, seconds] = process.argv.slice(2);
const attack = ATTACKS[name];
if (attack === undefined)
  throw new Error(`cannot attack with ${name}: expected one of ${Object.keys(ATTACKS).join(', ')}`);

const target = { port: Number(port), kind: kind as GatewayKind, clients: Number(clients) };
await attack.prepare?.(target, AbortSignal.timeout(MAX_PREPARE_MS));
const startedAt = performance.now();
console.log('begins');
const stop = new AbortController();
setMaxListeners(0, stop.signal);
// Not AbortSignal.timeout, whose timer does not keep the process alive.
setTimeout(() => stop.abort(), Number(seconds) * 1_000);
process.once('SIGTERM', () => stop.abort());
const tally = await attack.start(target, stop.signal);
const { user, system } = process.cpuUsage();
const elapsedSeconds = (performance.now() - startedAt) / 1_000;
console.log(JSON.stringify({ name, elapsedSeconds, cpuSeconds: (user + system) / 1e6, counts: tally.counts }));
// Connections that are being closed need not be waited for.
process.exit(0);
