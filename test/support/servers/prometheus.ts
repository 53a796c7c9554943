import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { eventually } from '../eventually.ts';
import { TestProcess } from '../process/process.ts';
import { request } from '../http/request.ts';
import { run, runOrThrow } from '../process/run.ts';
import { temporaryFolder } from '../process/temporary.ts';
import { requireTool } from '../process/tools.ts';

export interface ScrapeConfig {
  readonly job_name: string;
  readonly static_configs: readonly { readonly targets: readonly string[] }[];
  readonly honor_labels?: boolean;
  readonly metrics_path?: string;
  readonly scrape_interval?: string;
  readonly scheme?: 'https';
  readonly tls_config?: { readonly ca_file: string };
  readonly basic_auth?: { readonly username: string; readonly password: string };
}

export interface PrometheusOptions {
  /** Prefers protobuf and stores native histograms. Default false. */
  nativeHistograms?: boolean;
}

export interface InstantSample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface MetricMetadata {
  readonly type: string;
  readonly help: string;
}

export interface Prometheus {
  readonly url: string;
  /** An instant query; a vector, or a scalar as one sample without labels. */
  query(promql: string): Promise<InstantSample[]>;
  /** Metadata of each family, by name. */
  metadata(): Promise<Record<string, MetricMetadata[]>>;
  log(): string;
  /** Resolves when every target of every job has been scraped without an error. */
  waitUntilScraped(): Promise<void>;
  stop(): Promise<void>;
}

/** A real Prometheus that scrapes every second. */
export async function startPrometheus(
  scrapeConfigs: readonly ScrapeConfig[],
  { nativeHistograms = false }: PrometheusOptions = {},
): Promise<Prometheus> {
  const folder = temporaryFolder();
  const file = join(folder, 'prometheus.yml');
  const native = nativeHistograms ? await nativeHistogramSettings() : { flags: [], global: {} };
  const global = { scrape_interval: '1s', scrape_timeout: '1s', ...native.global };
  writeFileSync(file, stringify({ global, scrape_configs: scrapeConfigs }));
  const flags = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    '--web.listen-address=127.0.0.1:0',
    ...native.flags,
  ];
  const server = await TestProcess.start(requireTool('prometheus'), flags, { cwd: folder });
  const [, address] = await server.waitForLine(/msg="Listening on" address=(\S+)/, 30_000);
  const url = `http://${address}`;
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
    metadata: async () => await api('metadata'),
    log: () => server.log(),
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

/** A feature flag up to 3.7, a setting since 3.8. */
async function nativeHistogramSettings(): Promise<{ flags: string[]; global: Record<string, unknown> }> {
  const text = await runOrThrow(requireTool('prometheus'), ['--version']);
  const [major = 0, minor = 0] = (/version (\d+)\.(\d+)/.exec(text) ?? []).slice(1).map(Number);
  if (major > 3 || (major === 3 && minor >= 8)) return { flags: [], global: { scrape_native_histograms: true } };
  return { flags: ['--enable-feature=native-histograms'], global: {} };
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
