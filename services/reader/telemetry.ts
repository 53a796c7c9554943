import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { formatSelector } from '../../shared/model/format-selector.ts';
import type { ChangeFeed } from '../../shared/redis/changes/change-feed.ts';
import type { CompressAhead } from './scrape/compress-ahead.ts';
import type { Snapshot } from './snapshot/snapshot.ts';

/** Number of kept-out families that are listed, to keep telemetry small. */
const MAX_KEPT_OUT = 100;

export class ReaderTelemetry {
  readonly #requests: Histogram<'status_code'>;
  readonly #visible: Histogram;
  readonly #shardLoad: Histogram;

  constructor(registry: Registry, snapshot: Snapshot, feed: ChangeFeed, ahead: CompressAhead) {
    const registers = [registry];
    const gauges: Readonly<Record<string, readonly [help: string, read: () => number]>> = {
      metrics_cache_size: ['Number of metrics in cache.', () => snapshot.stats.series],
      pushgateway_snapshot_groups: ['Number of groups in the snapshot.', () => snapshot.stats.groups],
      pushgateway_snapshot_families: ['Number of metric families in the snapshot.', () => snapshot.stats.families],
      pushgateway_snapshot_series: ['Number of series (sample lines) in the snapshot.', () => snapshot.stats.series],
      pushgateway_snapshot_bytes: ['Size of the sample lines in the snapshot in bytes.', () => snapshot.stats.bytes],
      pushgateway_snapshot_kept_out_families: [
        'Number of families of groups that are kept out of /metrics because of a conflict with another group.',
        () => snapshot.stats.keptOut,
      ],
      pushgateway_snapshot_age_seconds: [
        'Time since the snapshot was last in sync with Redis in seconds.',
        () => (feed.isComplete ? Math.max(0, Date.now() - feed.lastCompleteMs) / 1000 : Infinity),
      ],
    };
    for (const [name, [help, read]] of Object.entries(gauges)) {
      const gauge: Gauge = new Gauge({ name, help, registers, collect: () => gauge.set(read()) });
    }
    const keptOut: Gauge<'family' | 'group' | 'reason'> = new Gauge({
      name: 'pushgateway_snapshot_kept_out',
      help: `Families of groups kept out of /metrics, with the reason; the value is 1. At most ${MAX_KEPT_OUT} are listed.`,
      labelNames: ['family', 'group', 'reason'],
      registers,
      collect: () => {
        keptOut.reset();
        for (const { family, labels, reason } of snapshot.keptOut(MAX_KEPT_OUT)) {
          keptOut.set({ family, group: formatSelector(labels), reason }, 1);
        }
      },
    });
    const compressed: Counter = new Counter({
      name: 'pushgateway_compress_ahead_seconds_total',
      help: 'Total time spent joining and compressing changed text ahead of scrapes in seconds.',
      registers,
      collect: () => {
        compressed.reset();
        compressed.inc(ahead.spentMs / 1000);
      },
    });
    this.#requests = new Histogram({
      name: 'metrics_request_duration_seconds',
      help: 'Time (in seconds) spent serving metrics requests.',
      labelNames: ['status_code'],
      registers,
    });
    this.#visible = new Histogram({
      name: 'pushgateway_visible_latency_seconds',
      help: 'Time from the append of a push to the log until scrapes of this reader include it in seconds.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers,
    });
    this.#shardLoad = new Histogram({
      name: 'pushgateway_snapshot_shard_load_seconds',
      help: 'Duration of loading a shard into the snapshot, at start and after a gap in the change feed, in seconds.',
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30],
      registers,
    });
  }

  /** Returns a function to call with the status code when the response is finished. */
  startScrape(): (status: number) => void {
    const end = this.#requests.startTimer();
    return (status) => end({ status_code: String(status) });
  }

  /** A push became visible this long after its append, s. */
  visible(seconds: number): void {
    this.#visible.observe(Math.max(0, seconds));
  }

  /** A shard was loaded in this time, s. */
  shardLoaded(seconds: number): void {
    this.#shardLoad.observe(seconds);
  }
}
