import { expect, it, type TestContext } from 'vitest';
import { formatFloat } from '../../shared/exposition/format-float.ts';
import { parseText } from '../../shared/exposition/parse-text.ts';
import { textDifference, verdictOf } from '../oracle/compare.ts';
import { TEXT_CORPUS, TOKENS } from '../oracle/corpus.ts';
import { mutateText, seededRandom } from '../oracle/mutate.ts';
import { askOracle, buildOracle } from '../oracle/oracle.ts';

/** `make fuzz` gives each test its FUZZ_SECONDS and a new seed; else a second and always the same one. */
const fuzzSeconds = Number(process.env['FUZZ_SECONDS'] ?? 0);
const seconds = fuzzSeconds > 0 ? fuzzSeconds : 1;
const seed = Number(process.env['FUZZ_SEED'] ?? (fuzzSeconds > 0 ? Date.now() % 1e9 : 1));
const BATCH = 2_000;

const oracle = buildOracle();

function commandOrSkip(context: TestContext): string {
  if ('skipped' in oracle) return context.skip(oracle.skipped);
  return oracle.command;
}

/** Calls `round` until the time is up, at least once. */
function repeatedly(round: () => void): void {
  const deadline = Date.now() + seconds * 1_000;
  do round();
  while (Date.now() < deadline);
}

it.for([
  ['t', false],
  ['u', true],
] as const)('text is taken and refused as by the official parser (mode %s)', ([mode, utf8Names], context) => {
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
