import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ChangeFeed } from '../../shared/redis/changes/change-feed.ts';
import { formatSelector } from '../../shared/model/format-selector.ts';
import type { Snapshot, SnapshotStats } from './snapshot/snapshot.ts';
import type { CompressAhead } from './scrape/compress-ahead.ts';

/** So that telemetry stays small, however much goes wrong. */
const MAX_NAMED = 100;

export class ReaderTelemetry {
  readonly #requests: Histogram<'status_code'>;
  readonly #visible: Histogram;
  readonly #rebuild: Histogram;

  constructor(registry: Registry, snapshot: Snapshot, feed: ChangeFeed, ahead: CompressAhead) {
    const registers = [registry];
    const gauge = (name: string, help: string, read: () => number): Gauge =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    const stat = (name: string, help: string, key: keyof SnapshotStats): Gauge =>
      gauge(name, help, () => snapshot.stats[key]);
    stat('metrics_cache_size', 'Number of metrics in cache.', 'series');
    stat('pushgateway_snapshot_groups', 'Groups in the snapshot.', 'groups');
    stat('pushgateway_snapshot_families', 'Metric families in the snapshot.', 'families');
    stat('pushgateway_snapshot_series', 'Series (sample lines) in the snapshot.', 'series');
    stat('pushgateway_snapshot_bytes', 'Size of the sample lines in the snapshot.', 'bytes');
    stat(
      'pushgateway_snapshot_kept_out_families',
      'Families of groups that contradict older pushes, and are therefore kept out of /metrics.',
      'keptOut',
    );
    registry.registerMetric(
      new Gauge({
        name: 'pushgateway_snapshot_kept_out',
        help: `What is kept out of /metrics, and why; at most ${MAX_NAMED} of them.`,
        labelNames: ['family', 'group', 'reason'],
        registers: [],
        collect() {
          this.reset();
          for (const { family, labels, reason } of snapshot.keptOut().slice(0, MAX_NAMED)) {
            this.set({ family, group: formatSelector(labels), reason }, 1);
          }
        },
      }),
    );
    gauge('pushgateway_snapshot_age_seconds', 'Time since the snapshot was known to be up to date with Redis.', () =>
      feed.isComplete ? Math.max(0, Date.now() - feed.lastCompleteMs) / 1000 : Number.POSITIVE_INFINITY,
    );
    registry.registerMetric(
      new Counter({
        name: 'pushgateway_compress_ahead_seconds_total',
        help: 'Time spent on joining and compressing what changed ahead of the next scrape.',
        registers: [],
        collect() {
          this.reset();
          this.inc(ahead.spentMs / 1000);
        },
      }),
    );
    this.#requests = new Histogram({
      name: 'metrics_request_duration_seconds',
      help: 'Time (in seconds) spent serving metrics requests.',
      labelNames: ['status_code'],
      registers,
    });
    this.#visible = new Histogram({
      name: 'pushgateway_visible_latency_seconds',
      help: 'Time from the append of a push to the log until scrapes of this reader show it.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers,
    });
    this.#rebuild = new Histogram({
      name: 'pushgateway_snapshot_shard_load_seconds',
      help: 'Time to load a shard into the snapshot, at start and after a gap in the change feed.',
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30],
      registers,
    });
  }

  /** Call what it returns with the status when the answer is out. */
  startScrape(): (status: number) => void {
    const end = this.#requests.startTimer();
    return (status) => end({ status_code: String(status) });
  }

  visible(seconds: number): void {
    this.#visible.observe(Math.max(0, seconds));
  }

  rebuilt(seconds: number): void {
    this.#rebuild.observe(seconds);
  }
}
