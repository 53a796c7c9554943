import { bench, describe } from 'vitest';
import { preparePush } from '../../services/ingest/prepare/prepare-push.ts';
import { groupOrder, makeGroup } from '../../shared/model/group.ts';
import { encodeFamilyContent, decodeFamilyRecord } from '../../shared/records/family-record.ts';
import type { GroupRecord } from '../../shared/records/group-record.ts';
import { Snapshot } from '../../services/reader/snapshot/snapshot.ts';
import { stampOf } from '../support/stamp.ts';
import { pushBody } from './load/workload.ts';

// The work of a reader for groups from Redis, with ten series in two families each.

const GROUPS = 10_000;
const VERSIONS = 4;

/** A group after its push number `version`, as the follower passes it on. */
function recordOf(group: number, version: number): GroupRecord {
  const made = makeGroup('push', [
    ['instance', `host-${group}`],
    ['job', `batch-${group % 97}`],
  ]);
  const body = Buffer.from(pushBody({ families: 2 }, group + version));
  const [prepared] = preparePush(body, { format: 'text', group: made, maxSeries: 0, maxFamilies: 0 });
  const stamp = stampOf(`${1_700_000_000_000 + version}-${group}`);
  const pushedMs = 1_700_000_000_000 + version;
  const families = (prepared?.families ?? []).map(({ name, content }) => {
    const stored = Buffer.from(`${stamp} 0 ${pushedMs} ${String(encodeFamilyContent(content))}`);
    return [name, decodeFamilyRecord(stored)] as const;
  });
  const { id, labels } = made;
  const order = groupOrder('push', labels);
  return {
    id,
    kind: 'push',
    labels,
    order,
    top: stamp,
    pushedMs,
    failedMs: 0,
    untilMs: 0,
    families: new Map(families),
  };
}

const versions = Array.from({ length: VERSIONS }, (_, version) => {
  return Array.from({ length: GROUPS }, (__, group) => recordOf(group, version));
});

function load(): Snapshot {
  const snapshot = new Snapshot();
  for (const record of versions[0] ?? []) snapshot.set(record.id, record, 0);
  return snapshot;
}

describe(`snapshot, ${GROUPS} groups`, () => {
  const held = load();
  held.text.chunks();
  let n = 0;
  /** Another group each time, and another push each time the same group has its turn. */
  const change = (): void => {
    const at = (n * 7_919) % GROUPS;
    const version = (1 + Math.floor(n / GROUPS)) % VERSIONS;
    n++;
    const record = versions[version]?.[at];
    if (record !== undefined) held.set(record.id, record, 0);
  };
  bench('a group changed', change);
  bench('a group changed, and the text made ready', () => {
    change();
    held.text.chunks();
  });
  bench('all loaded', () => void load(), { time: 2_000, iterations: 5, warmupTime: 0, warmupIterations: 1 });
  bench('all loaded, and the text made ready', () => void load().text.chunks(), {
    time: 2_000,
    iterations: 5,
    warmupTime: 0,
    warmupIterations: 1,
  });
});
