/**
 * The gateway's own metrics as families, for `--web.telemetry-in-metrics`: the official gateway exposes them together
 * with the pushed ones. Families whose name has been pushed are left out, because a family may appear only once.
 */
import type { Registry } from 'prom-client';
import { collidingNames } from '../../../shared/consistency/suffix-collisions.ts';
import type { Family } from '../../../shared/model/metric-family.ts';
import { parseText } from '../../../shared/exposition/text/parse-text.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';

export async function ownFamilies(registry: Registry, snapshot: Snapshot): Promise<Family[]> {
  const families = parseText(`${(await registry.metrics()).trimEnd()}\n`);
  return [...families.values()].filter(({ name }) => !collidingNames(name).some((one) => snapshot.hasFamily(one)));
}
