import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { GatewayError } from '../../shared/errors.ts';
import { makeGroup, groupPath } from '../../shared/model/group.ts';
import { decodeLabels, encodeLabels } from '../../shared/model/labels.ts';
import { parseGroupingPath } from '../../shared/model/parse-path.ts';

const value = fc.string({ unit: 'binary', maxLength: 10 });
const labelName = fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }).filter((s) => !s.startsWith('__'));
const labels = fc
  .tuple(fc.string({ unit: 'binary', minLength: 1 }), fc.array(fc.tuple(labelName, value), { maxLength: 4 }))
  .map(([job, others]): [string, string][] => [...others, ['job', job]]);

it('the path of a group is parsed to the group', () => {
  fc.assert(
    fc.property(labels, (all) => {
      const group = makeGroup('push', all);
      const path = groupPath(group).slice('/metrics'.length);
      expect(parseGroupingPath(path, { utf8Names: true })).toEqual(group.labels);
    }),
  );
});

it('any path is accepted or refused, without other errors', () => {
  const part = fc.oneof(
    fc.constantFrom('/job/', '/', '@base64', '%2F', '%', '=', '..', 'a', '%ff', 'U__'),
    fc.string({ maxLength: 5 }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 10 }), fc.boolean(), (parts, utf8Names) => {
      try {
        const parsed = parseGroupingPath(`/job${parts.join('')}`, { utf8Names });
        expect(
          parseGroupingPath(groupPath({ kind: 'push', labels: parsed }).slice('/metrics'.length), { utf8Names }),
        ).toEqual(parsed);
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
        expect(error).toHaveProperty('code', 'path_invalid');
      }
    }),
    { numRuns: 2_000 },
  );
});

it('encoded labels are decoded to the same labels', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ unit: 'binary' }), value)), (all) => {
      expect(decodeLabels(encodeLabels(all))).toEqual(all);
    }),
  );
});
