import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { eventually } from './eventually.ts';
import { freePort } from './ports.ts';
import { TestProcess } from './process.ts';
import { request } from './request.ts';
import { run } from './run.ts';
import { temporaryFolder } from './temporary.ts';
import { requireTool } from './tools.ts';

export interface ScrapeConfig {
  readonly job_name: string;
  readonly static_configs: readonly { readonly targets: readonly string[] }[];
  readonly honor_labels?: boolean;
  readonly metrics_path?: string;
  readonly scrape_interval?: string;
}

export interface InstantSample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Prometheus {
  readonly url: string;
  /** An instant query; a vector, or a scalar as one sample without labels. */
  query(promql: string): Promise<InstantSample[]>;
  /** Resolves once every target of every job has been scraped without a fault. */
  waitUntilScraped(): Promise<void>;
  stop(): Promise<void>;
}

/** A real Prometheus that scrapes every second. */
export async function startPrometheus(scrapeConfigs: readonly ScrapeConfig[]): Promise<Prometheus> {
  const folder = temporaryFolder();
  const file = join(folder, 'prometheus.yml');
  writeFileSync(
    file,
    stringify({ global: { scrape_interval: '1s', scrape_timeout: '1s' }, scrape_configs: scrapeConfigs }),
  );
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const flags = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  const server = await TestProcess.start(requireTool('prometheus'), flags, { cwd: folder });
  await server.waitForHttp(`${url}/-/ready`, 30_000);

  async function api<T>(path: string): Promise<T> {
    const answer = await request(url, `/api/v1/${path}`);
    if (answer.status !== 200) throw new Error(`Prometheus answered ${answer.status}: ${answer.text}`);
    const { data }: { data: T } = JSON.parse(answer.text);
    return data;
  }
  return {
    url,
    query: async (promql) => toSamples(await api<QueryData>(`query?query=${encodeURIComponent(promql)}`)),
    waitUntilScraped: async () => {
      await eventually(
        async () => {
          const { activeTargets } = await api<Targets>('targets?state=active');
          const faulty = activeTargets.filter(({ health }) => health !== 'up');
          for (const target of faulty) throw new Error(`${target.scrapeUrl}: ${target.health} ${target.lastError}`);
          return activeTargets.length > 0;
        },
        { timeoutMs: 20_000, intervalMs: 100, what: 'a scrape of every target' },
      );
    },
    stop: async () => {
      await server.stop();
    },
  };
}

/** `promtool check metrics`: the lint that Prometheus itself applies to an exposition. */
export async function promtoolCheckMetrics(text: string): Promise<{ ok: boolean; output: string }> {
  const { code, output } = await run(requireTool('promtool'), ['check', 'metrics'], { input: text });
  return { ok: code === 0, output };
}

interface Targets {
  readonly activeTargets: readonly {
    readonly scrapeUrl: string;
    readonly health: string;
    readonly lastError: string;
  }[];
}

type QueryValue = readonly [time: number, value: string];
type QueryData =
  | { readonly resultType: 'vector'; readonly result: readonly { metric: Record<string, string>; value: QueryValue }[] }
  | { readonly resultType: 'scalar'; readonly result: QueryValue };

function toSamples(data: QueryData): InstantSample[] {
  if (data.resultType === 'scalar') return [{ metric: {}, value: toNumber(data.result[1]) }];
  return data.result.map(({ metric, value }) => ({ metric, value: toNumber(value[1]) }));
}

function toNumber(text: string): number {
  return text.endsWith('Inf') ? Number(text.replace('Inf', 'Infinity')) : Number(text);
}
