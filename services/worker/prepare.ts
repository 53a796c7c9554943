/**
 * Turns a logged push into what it does to groups: its body is parsed, labelled and rendered here, once, so that readers
 * only copy bytes. Pure; runs in a thread (prepare-thread.ts).
 */
import { decodeBody } from '../../shared/exposition/decode-body.ts';
import { applyGroupingLabels } from '../../shared/exposition/group-labels.ts';
import type { Families, Labels } from '../../shared/exposition/model.ts';
import { textSaysAll } from '../../shared/exposition/exact.ts';
import { encodeFamily } from '../../shared/exposition/protobuf-codec.ts';
import { renderSamples } from '../../shared/exposition/render-text.ts';
import { splitByLabelSet } from '../../shared/exposition/split-series.ts';
import { encodeLabels, makeGroup } from '../../shared/grouping/group.ts';
import type { GroupOperation } from '../../shared/redis/group-store.ts';
import { encodeFamilyRecord } from '../../shared/state/family-record.ts';
import { deadlineOf, type Push, type Verb } from '../../shared/state/push.ts';
import type { Stamp } from '../../shared/state/stamp.ts';

/** Throws when the body cannot be read: a push that ingest accepted never should. */
export function prepare(push: Push, stamp: Stamp): GroupOperation[] {
  const families = push.verb === 'PUT' || push.verb === 'POST' ? decodeBody(push.body, push.format) : new Map();
  const operation = (verb: Verb, labels: Labels, content: Families): GroupOperation => ({
    groupId: makeGroup(push.kind, labels).id,
    verb,
    kind: push.kind,
    labels: encodeLabels(labels),
    deadlineMs: deadlineOf(push),
    arrivalMs: push.arrivalMs,
    families: encodeFamilies(content, push, stamp),
  });
  if (push.verb === 'WIPE') return [{ ...operation('WIPE', [], new Map()), groupId: '' }];
  if (push.kind === 'push') return [operation(push.verb, push.labels, applyGroupingLabels(families, push.labels))];
  return [...splitByLabelSet(families).values()].map(({ labels, families: own }) => operation('POST', labels, own));
}

function encodeFamilies(families: Families, push: Push, stamp: Stamp): (string | Uint8Array)[] {
  const encoded: (string | Uint8Array)[] = [];
  const written = { stamp, deadlineMs: deadlineOf(push), arrivalMs: push.arrivalMs };
  for (const family of families.values()) {
    const text = renderSamples(family);
    const shown = { type: family.type, help: family.help, samples: countLines(text), text };
    const content = textSaysAll(family) ? shown : { ...shown, exact: encodeFamily(family) };
    encoded.push(family.name, encodeFamilyRecord(written, content));
  }
  return encoded;
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
