/**
 * CPU time of a scrape of 10,000 groups in a reader process: compared with nginx that sends the same bytes from a file;
 * and of the first scrape after a group changed, including the cost of following that change, compared with an
 * unchanged one.
 */
import { startRedis } from '../../support/redis/server.ts';
import { request } from '../../support/http/request.ts';
import { fill } from '../load/fill.ts';
import { Scraper } from '../load/scraper.ts';
import { groupPath, pushBody, type Shape } from '../load/workload.ts';
import { groupsShown, startNginxWith, startOn, whenDrained } from '../subjects.ts';
import { eventually } from '../../support/eventually.ts';
import { processTree } from '../../support/process/process-tags.ts';
import { cpuOf, Rounds, type CheckSection } from './section.ts';

const SHAPE: Shape = { families: 2 };
const GROUPS = 10_000;
/** Number of scrapes: enough to make the resolution of CPU time, 10 ms, negligible. */
const SCRAPES = { identity: 100, gzip: 300, changed: 100 };

export const scrapeCheck: CheckSection = async (rounds) => {
  const redis = await startRedis({ args: ['--appendfsync', 'everysec'] });
  const [source, reader] = [await startOn(redis, 'ingest'), await startOn(redis, 'reader')];
  await startOn(redis, 'worker');
  await fill({ url: source.url, to: GROUPS, shape: SHAPE });
  await whenDrained(redis, 120_000);
  await eventually(async () => (await groupsShown(reader)) >= GROUPS, { timeoutMs: 60_000, what: 'all groups shown' });
  const nginx = await startNginxWith(reader);
  // The process that answers is a child of the started one.
  const nginxPids = Object.fromEntries(processTree(nginx.process.pid).map((pid) => [String(pid), pid]));
  const found = new Rounds();

  const measure = async (
    name: string,
    { url, pids }: { url: string; pids: Readonly<Record<string, number>> },
    encoding: 'identity' | 'gzip',
    scrapes: number,
    before?: () => Promise<void>,
  ): Promise<void> => {
    const scraper = new Scraper(url, encoding);
    await scraper.scrape();
    const { all } = await cpuOf(pids, async () => {
      for (let i = 0; i < scrapes; i++) {
        await before?.();
        await scraper.scrape();
      }
    });
    scraper.close();
    found.add(name, all / scrapes);
  };

  let changes = 0;
  const change = async (): Promise<void> => {
    const n = ++changes;
    const { status } = await request(source.url, `/metrics${groupPath((n * 7_919) % GROUPS)}`, {
      method: 'PUT',
      body: pushBody(SHAPE, n),
      headers: { prefer: 'wait=10' },
    });
    if (status !== 200) throw new Error(`a push was answered ${status}`);
  };
  const ours = { url: reader.url, pids: { reader: reader.pid } };
  const theirs = { url: nginx.url, pids: nginxPids };
  for (let round = 0; round < rounds; round++) {
    for (const encoding of ['identity', 'gzip'] as const) {
      await measure(encoding, ours, encoding, SCRAPES[encoding]);
      await measure(`nginx ${encoding}`, theirs, encoding, SCRAPES[encoding]);
      await measure(`changed ${encoding}`, ours, encoding, SCRAPES.changed, change);
    }
  }
  const of = 'CPU time of a scrape, 10,000 groups';
  return [
    found.ratio('scrape.identity', `${of}, against nginx`, 'identity', 'nginx identity'),
    found.ratio('scrape.changed', `${of}, after a change, against unchanged`, 'changed identity', 'identity'),
    found.ratio('scrape.changed-gzip', `${of}, after a change, gzip, against unchanged`, 'changed gzip', 'gzip'),
  ];
};
