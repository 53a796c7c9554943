import { describe, expect, test } from 'vitest';
import { preparePush } from '../../../services/ingest/prepare/prepare-push.ts';
import type { Labels } from '../../../shared/model/metric-family.ts';
import { makeGroup } from '../../../shared/model/group.ts';
import { Catalogue } from '../../../services/ingest/catalogue/catalogue.ts';
import type { CataloguedPush } from '../../../services/ingest/catalogue/catalogued-push.ts';
import { checkConsistency } from '../../../services/ingest/catalogue/consistency-rules.ts';

const NOW = 1_000_000;
let count = 0;

/** `job=a,x=1` → sorted labels. */
function labelsOf(text: string): Labels {
  const pairs = text.split(',').map((pair): [string, string] => {
    const [name = '', value = ''] = pair.split('=');
    return [name, value];
  });
  return pairs.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function push(group: string, body: string, verb: CataloguedPush['verb'] = 'PUT', deadlineMs = 0): CataloguedPush {
  const labels = labelsOf(group);
  const made = makeGroup('push', labels);
  const prepared = preparePush(Buffer.from(`${body}\n`), { format: 'text', group: made, maxSeries: 0, maxFamilies: 0 });
  const families = new Map(prepared.flatMap((one) => one.families.map((family) => [family.name, family])));
  return { id: `p${count++}`, verb, kind: 'push', labels, groupId: made.id, families, deadlineMs };
}

/** As a push that was prepared in a thread: the label sets of its series are only in its content. */
function fromThread(one: CataloguedPush): CataloguedPush {
  const families = [...one.families].map(([name, { content }]) => [name, { name, content }] as const);
  return { ...one, families: new Map(families) };
}

/** Adds a push that passes the check. Returns the reason of a refusal, 'ok', or the suspects by family. */
function admit(catalogue: Catalogue, one: CataloguedPush, nowMs = NOW): string {
  try {
    const suspects = checkConsistency(catalogue, one, nowMs);
    catalogue.expect([one]);
    return suspects.length === 0 ? 'ok' : `suspects ${suspects.map(({ family }) => family).join(' ')}`;
  } catch (error) {
    return (error as Error).message;
  }
}

const gauge = (name: string): string => `# TYPE ${name} gauge\n${name} 1`;
const counter = (name: string): string => `# TYPE ${name} counter\n${name} 1`;
const histogram = (name: string): string => `# TYPE ${name} histogram\n${name}_sum 1`;
const summary = (name: string): string => `# TYPE ${name} summary\n${name}_sum 1`;

describe('check', () => {
  test.each<[string, CataloguedPush[], CataloguedPush, string]>([
    ['same type elsewhere', [push('job=a', gauge('m'))], push('job=b', gauge('m')), 'ok'],
    [
      'other type elsewhere',
      [push('job=a', gauge('m'))],
      push('job=b', counter('m')),
      'group {job="a"} holds it as gauge',
    ],
    ['untyped is a type', [push('job=a', gauge('m'))], push('job=b', 'm 1'), 'group {job="a"} holds it as gauge'],
    ['other type in its own group, PUT', [push('job=a', gauge('m'))], push('job=a', counter('m')), 'ok'],
    ['other type in its own group, POST', [push('job=a', gauge('m'))], push('job=a', counter('m'), 'POST'), 'ok'],
    ['freed by DELETE', [push('job=a', gauge('m')), push('job=a', '', 'DELETE')], push('job=b', counter('m')), 'ok'],
    ['freed by PUT', [push('job=a', gauge('m')), push('job=a', gauge('n'))], push('job=b', counter('m')), 'ok'],
    [
      'not freed by POST of another',
      [push('job=a', gauge('m')), push('job=a', gauge('n'), 'POST')],
      push('job=b', counter('m')),
      'holds it as gauge',
    ],
    ['freed by expiry', [push('job=a', gauge('m'), 'PUT', NOW)], push('job=b', counter('m')), 'ok'],
    [
      'x_sum beside histogram x',
      [push('job=a', histogram('x'))],
      push('job=b', gauge('x_sum')),
      'collides with histogram "x"',
    ],
    ['x_bucket beside summary x', [push('job=a', summary('x'))], push('job=b', gauge('x_bucket')), 'ok'],
    [
      'x_bucket beside histogram x',
      [push('job=a', histogram('x'))],
      push('job=b', gauge('x_bucket')),
      'collides with histogram "x"',
    ],
    [
      'summary x beside x_count',
      [push('job=a', gauge('x_count'))],
      push('job=b', summary('x')),
      'collides with summary "x"',
    ],
    [
      'x_sum POSTed beside its own histogram x',
      [push('job=a', histogram('x'))],
      push('job=a', gauge('x_sum'), 'POST'),
      'collides with histogram "x"',
    ],
    ['x_sum PUT over its own histogram x', [push('job=a', histogram('x'))], push('job=a', gauge('x_sum')), 'ok'],
    ['same series, same label names', [push('job=a,x=1', gauge('m'))], push('job=a,x=2', gauge('m')), 'ok'],
    ['same family, fewer label names', [push('job=a', 'm{x="1"} 1')], push('job=a,x=1', 'm 1'), 'suspects m'],
    ['same family, more label names', [push('job=a,x=1', 'm 1')], push('job=a', 'm{x="1"} 1'), 'suspects m'],
    ['other value of the label', [push('job=a,x=1', 'm 1')], push('job=a', 'm{x="2"} 1'), 'ok'],
    [
      'instance="" and none',
      [push('job=a', gauge('m'))],
      push('job=a,instance=', gauge('n')),
      'same push_time_seconds series',
    ],
    ['none and instance=""', [push('job=a,instance=', gauge('m'))], push('job=a', ''), 'same push_time_seconds series'],
    ['a real instance and none', [push('job=a,instance=i', gauge('m'))], push('job=a', gauge('m')), 'ok'],
  ])('%s', (_name, before, then, expected) => {
    const catalogue = new Catalogue();
    for (const one of before) expect(admit(catalogue, one)).toMatch(/^(?:ok|suspects)/);
    const suspects = (one: CataloguedPush): unknown => {
      try {
        return checkConsistency(catalogue, one, NOW);
      } catch (thrown) {
        return thrown;
      }
    };
    expect(suspects(fromThread(then))).toEqual(suspects(then));
    const answer = admit(catalogue, then);
    if (expected === 'ok') expect(answer).toBe('ok');
    else expect(answer).toContain(expected);
  });
});

describe('a push that this node appended', () => {
  test('counts until it is settled, independent of other changes in the feed', () => {
    const catalogue = new Catalogue();
    const one = push('job=a', gauge('m'));
    catalogue.expect([one]);
    catalogue.set(one.groupId, undefined, NOW);
    expect(admit(catalogue, push('job=b', counter('m')))).toContain('holds it as gauge');
    expect(catalogue.unsettled.settle(one.id)).toEqual([one.groupId]);
    catalogue.set(one.groupId, undefined, NOW);
    expect(admit(catalogue, push('job=b', counter('m')))).toBe('ok');
  });

  test('is dropped when the state that it relied on may be lost', () => {
    const catalogue = new Catalogue();
    const one = push('job=a', gauge('m'));
    catalogue.expect([one]);
    catalogue.unsettled.forget(() => true);
    catalogue.set(one.groupId, undefined, NOW);
    expect([...catalogue.ids()]).toEqual([]);
  });

  test('whenSettled waits for all pushes to the group', async () => {
    const catalogue = new Catalogue();
    const [one, two] = [push('job=a', gauge('m')), push('job=a', gauge('n'))];
    catalogue.expect([one, two]);
    let done = false;
    const waiting = catalogue.unsettled.whenSettled(one.groupId).then(() => (done = true));
    catalogue.unsettled.settle(one.id);
    await Promise.resolve();
    expect(done).toBe(false);
    catalogue.unsettled.settle(two.id);
    await waiting;
    expect(done).toBe(true);
  });
});
