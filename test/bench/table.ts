/**
 * `make bench`: measures the table of docs/performance.md.
 *
 *     BENCH=push,scrape   only these sections; the others keep their figures
 *     SIZE=short          fewer and shorter rounds
 *     BENCH=profile       CPU profiles of the roles instead
 *     FAMILIES=2          number of families that the ten series of a push are spread over
 */
import { test } from 'vitest';
import { endResources, heldCount } from '../support/process/resources.ts';
import { record, writeDocument, writeScaling } from './report/results.ts';
import { applySection } from './sections/apply.ts';
import { burstSection } from './sections/burst.ts';
import { cpuSection } from './sections/cpu.ts';
import { growthSection } from './sections/growth.ts';
import { memorySection } from './sections/memory.ts';
import { profileSection, profileStartSection } from './sections/profile.ts';
import { pushSection } from './sections/push.ts';
import { scaleSection } from './sections/scale.ts';
import { scrapeSection } from './sections/scrape.ts';
import { SIZES, type Section } from './sections/section.ts';
import { visibleSection } from './sections/visible.ts';

const sections: Readonly<Record<string, Section>> = {
  push: pushSection,
  growth: growthSection,
  apply: applySection,
  visible: visibleSection,
  'scrape-10000': scrapeSection(10_000),
  'scrape-100000': scrapeSection(100_000),
  memory: memorySection,
  burst: burstSection,
  cpu: cpuSection,
  scale: scaleSection,
};

/** Sections that run only if BENCH names them. */
const onRequest: Readonly<Record<string, Section>> = { profile: profileSection, 'profile-start': profileStartSection };

test('benchmarks', async () => {
  const asked = (process.env['BENCH'] ?? '').split(',').filter((name) => name !== '');
  const known = { ...sections, ...onRequest };
  const unknown = asked.find((name) => !(name in known));
  if (unknown !== undefined) throw new Error(`there is no section ${unknown}: ${Object.keys(known).join(', ')}`);
  const sizeName = process.env['SIZE'] ?? 'full';
  const size = SIZES.find(({ name }) => name === sizeName);
  if (size === undefined) throw new Error(`there is no size ${sizeName}: ${SIZES.map(({ name }) => name).join(', ')}`);
  const shape = { families: Number(process.env['FAMILIES'] ?? 2) };

  const failures: unknown[] = [];
  for (const [name, section] of Object.entries(known)) {
    if (asked.length > 0 ? !asked.includes(name) : name in onRequest) continue;
    const keep = heldCount();
    try {
      record(await section(size, shape), size.name);
      writeDocument();
      writeScaling();
    } catch (thrown) {
      failures.push(new Error(`section ${name} failed`, { cause: thrown }));
      console.error(thrown);
    }
    await endResources(keep);
  }
  if (failures.length > 0) throw new AggregateError(failures, 'not everything could be measured');
});
