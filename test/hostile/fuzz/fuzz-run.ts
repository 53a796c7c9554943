/**
 * Runs one conversation per seed until the time is over, several at a time. HOSTILE_SEED and HOSTILE_COUNT repeat what
 * a failure has printed.
 */
import { randomInt } from 'node:crypto';

const PARALLEL = 8;

export async function fuzz(
  what: string,
  seconds: number,
  converse: (seed: number) => Promise<readonly string[]>,
): Promise<{ conversations: number; faults: string[] }> {
  const first = Number(process.env['HOSTILE_SEED'] ?? randomInt(2 ** 31));
  const count = Number(process.env['HOSTILE_COUNT'] ?? Infinity);
  console.log(`${what}: HOSTILE_SEED=${first}`);
  const endsAt = performance.now() + seconds * 1_000;
  const faults: string[] = [];
  let conversations = 0;
  const worker = async (): Promise<void> => {
    while (conversations < count && performance.now() < endsAt && faults.length < 20) {
      const seed = first + conversations++;
      const found = await converse(seed);
      faults.push(...found.map((fault) => `HOSTILE_SEED=${seed} HOSTILE_COUNT=1: ${fault}`));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  console.log(`${what}: ${conversations} conversations, ${faults.length} faults`);
  return { conversations, faults };
}
