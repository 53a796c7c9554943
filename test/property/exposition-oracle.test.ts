import { expect, it, type TestContext } from 'vitest';
import { formatFloat } from '../../shared/exposition/text/format-float.ts';
import type { Family } from '../../shared/model/metric-family.ts';
import { decodeProtobuf, encodeFamily } from '../../shared/exposition/protobuf/codec.ts';
import { parseText } from '../../shared/exposition/text/parse-text.ts';
import { protobufDifference, textDifference, verdictOf } from '../oracle/compare.ts';
import { TEXT_CORPUS, TOKENS } from '../oracle/corpus.ts';
import { mutateText, seededRandom } from '../oracle/mutate.ts';
import { randomProtobuf } from '../oracle/protobuf-corpus.ts';
import { askOracle, buildOracle } from '../oracle/oracle.ts';

/** With `make fuzz` each test runs for FUZZ_SECONDS with a new seed, otherwise for a second with a fixed seed. */
const fuzzSeconds = Number(process.env['FUZZ_SECONDS'] ?? 0);
const seconds = fuzzSeconds > 0 ? fuzzSeconds : 1;
const seed = Number(process.env['FUZZ_SEED'] ?? (fuzzSeconds > 0 ? Date.now() % 1e9 : 1));
const BATCH = 2_000;
const NOTHING = Buffer.alloc(0);

const oracle = buildOracle();

function commandOrSkip(context: TestContext): string {
  if ('skipped' in oracle) return context.skip(oracle.skipped);
  return oracle.command;
}

function decoded(body: Uint8Array): Family[] {
  return [...decodeProtobuf(body).values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function isTaken(body: Uint8Array): boolean {
  try {
    return decoded(body).length > 0;
  } catch {
    return false;
  }
}

/** Calls `round` until the time is up, at least once. `make fuzz` prints the number of rounds. */
function repeatedly(round: () => void): void {
  const deadline = Date.now() + seconds * 1_000;
  let rounds = 0;
  do {
    round();
    rounds++;
  } while (Date.now() < deadline);
  if (fuzzSeconds > 0) console.info(`${rounds * BATCH} inputs, seed ${seed}`);
}

it.for([
  ['t', false],
  ['u', true],
] as const)('text is accepted and refused as by the official parser (mode %s)', ([mode, utf8Names], context) => {
  const command = commandOrSkip(context);
  const random = seededRandom(seed);
  repeatedly(() => {
    const bodies = Array.from({ length: BATCH }, () => mutateText(random, TEXT_CORPUS, TOKENS));
    const verdicts = askOracle(
      command,
      mode,
      bodies.map((body) => Buffer.from(body)),
    );
    const differences: unknown[] = [];
    for (const [i, official] of verdicts.entries()) {
      const body = bodies[i] ?? '';
      const ours = verdictOf(() => parseText(body, { utf8Names }));
      const difference = textDifference(body, ours, official);
      if (difference !== undefined) differences.push({ seed, difference, body, ours, official });
    }
    expect(differences).toEqual([]);
  });
});

it('protobuf is accepted and refused as by the official decoder', (context) => {
  const command = commandOrSkip(context);
  const random = seededRandom(seed);
  repeatedly(() => {
    const bodies = Array.from({ length: BATCH }, () => randomProtobuf(random));
    const differences: unknown[] = [];
    for (const [i, official] of askOracle(command, 'p', bodies).entries()) {
      const body = bodies[i] ?? Buffer.alloc(0);
      const ours = verdictOf(() => decodeProtobuf(body));
      const difference = protobufDifference(ours, official);
      if (difference !== undefined) differences.push({ seed, difference, body: body.toString('hex'), ours, official });
    }
    expect(differences).toEqual([]);
  });
});

it('protobuf written by either encoder has the same meaning to the official decoder', (context) => {
  const command = commandOrSkip(context);
  const random = seededRandom(seed + 1);
  repeatedly(() => {
    const bodies = Array.from({ length: BATCH }, () => randomProtobuf(random)).filter(isTaken);
    const meant = bodies.map(decoded);
    const rewritten = askOracle(command, 'm', bodies);
    expect(rewritten.map(({ bytes = NOTHING }) => decoded(bytes))).toEqual(meant);
    const encoded = askOracle(
      command,
      'm',
      meant.map((all) => Buffer.concat(all.map(encodeFamily))),
    );
    expect(encoded.map(({ bytes = NOTHING }) => decoded(bytes))).toEqual(meant);
  });
});

it('numbers are formatted as by Go', (context) => {
  const command = commandOrSkip(context);
  const random = seededRandom(seed);
  const view = new DataView(new ArrayBuffer(8));
  const anyDouble = (): number => {
    view.setUint32(0, random() * 2 ** 32);
    view.setUint32(4, random() * 2 ** 32);
    return view.getFloat64(0);
  };
  const aroundOne = (): number => (random() - 0.5) * 10 ** Math.floor(random() * 30 - 10);
  const short = (): number => Number(aroundOne().toPrecision(1 + Math.floor(random() * 8)));
  repeatedly(() => {
    const numbers = Array.from({ length: BATCH }, (_, i) =>
      i % 3 === 0 ? anyDouble() : i % 3 === 1 ? aroundOne() : short(),
    );
    const formatted = askOracle(
      command,
      'n',
      numbers.map((n) => Buffer.from(String(n))),
    );
    expect(numbers.map(formatFloat)).toEqual(formatted.map(({ text }) => text));
  });
});
