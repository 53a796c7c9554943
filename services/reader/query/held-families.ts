/** What a group holds of its families, at one moment: later changes do not affect it. */
import type { Family } from '../../../shared/model/metric-family.ts';
import { holdingPieces } from '../snapshot/holding-pieces.ts';
import type { Holding } from '../snapshot/groups.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { listJson } from './json-pieces.ts';

type Fields = 'name' | 'type' | 'help' | 'samples' | 'arrivalMs' | 'deadlineMs' | 'reason';

export type HeldFamily = Readonly<Pick<Holding, Fields>> & { readonly pieces: () => Iterable<Family> };

/** Number of families that are read at the same moment; most groups have fewer. Reading more takes too long. */
const AT_ONCE = 2_000;

/** Those of the first AT_ONCE holdings are as they are now; the others, as they are when they are reached. */
export function heldFamilies(snapshot: Snapshot, holdings: readonly Holding[]): Iterable<HeldFamily> {
  const take = (from: number): HeldFamily[] =>
    holdings.slice(from, from + AT_ONCE).map((holding) => heldFamily(snapshot, holding));
  const first = take(0);
  if (holdings.length <= AT_ONCE) return first;
  const rest = function* (): Generator<HeldFamily> {
    yield* first;
    for (let from = AT_ONCE; from < holdings.length; from += AT_ONCE) yield* take(from);
  };
  return rest();
}

function heldFamily(snapshot: Snapshot, holding: Holding): HeldFamily {
  const { head, written, reason } = holding;
  const text = snapshot.textOf(holding);
  const pieces = (): Iterable<Family> => holdingPieces(head, text);
  return { ...head, arrivalMs: written.pushedMs, deadlineMs: written.untilMs, reason, pieces };
}

/** The list of all metrics. `metricsOf` returns those of a piece. */
export function metricsListJson({ pieces }: HeldFamily, metricsOf: (piece: Family) => readonly unknown[]) {
  return listJson(pieces(), function* (piece): Generator<string> {
    yield JSON.stringify(metricsOf(piece)).slice(1, -1);
  });
}
