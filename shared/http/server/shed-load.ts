/** The bound on the memory that all connections hold together. Pure. */
import type { Connection, Load } from './connection.ts';

/** Not complete; `bytes` counts what it shares with others as its own. */
interface Holder {
  bytes: number;
  readonly loads: Load[];
}

/**
 * Ends requests and answers while all together hold more than `maxBytes` besides the largest answer: of the client that
 * holds most, the oldest. Answers of one version of the snapshot share their buffers, of several versions most of them.
 */
export function shedLoad(connections: Iterable<Connection>, maxBytes: number): void {
  const holders = new Map<string, Holder>();
  const answers = new Map<readonly Buffer[], number>();
  let excess = -maxBytes;
  for (const connection of connections) {
    for (const load of connection.loads()) {
      excess += load.bytes;
      answers.set(load.buffers, (answers.get(load.buffers) ?? 0) + 1);
      const holder = holders.get(connection.client) ?? { bytes: 0, loads: [] };
      holder.loads.push(load);
      holders.set(connection.client, holder);
    }
  }
  const sizes = new Map([...answers.keys()].map((buffers) => [buffers, bytesOf(buffers)]));
  excess -= Math.max(0, ...sizes.values());
  // To add up is mostly enough, and fast; to find out what answers share takes milliseconds for each 100 MB.
  if (excess + sumOf(sizes.values()) <= 0) return;

  const users = new Map<Buffer, number>();
  for (const buffer of [...answers.keys()].flat()) users.set(buffer, (users.get(buffer) ?? 0) + 1);
  excess += bytesOf(users.keys());
  const weight = ({ bytes, buffers }: Load): number => bytes + (sizes.get(buffers) ?? 0);
  for (const holder of holders.values()) {
    holder.bytes = sumOf(holder.loads.map(weight));
    holder.loads.sort((a, b) => b.sinceMs - a.sinceMs);
  }
  while (excess > 0) {
    const most = [...holders.values()].reduce((a, b) => (b.bytes > a.bytes ? b : a));
    const load = most.loads.pop();
    if (load === undefined) return;
    load.cut('buffered');
    most.bytes -= weight(load);
    excess -= load.bytes;
    if (!isLastUse(answers, load.buffers)) continue;
    for (const buffer of load.buffers) if (isLastUse(users, buffer)) excess -= buffer.length;
  }
}

function isLastUse<T>(uses: Map<T, number>, used: T): boolean {
  const left = (uses.get(used) ?? 1) - 1;
  uses.set(used, left);
  return left === 0;
}

function bytesOf(buffers: Iterable<Buffer>): number {
  let bytes = 0;
  for (const { length } of buffers) bytes += length;
  return bytes;
}

function sumOf(numbers: Iterable<number>): number {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
}
