import { Counter, Histogram, type Registry } from 'prom-client';
import type { Outcome } from '../../shared/records/push.ts';

export class WorkerTelemetry {
  readonly #pushes: Counter<'outcome'>;
  readonly #latency: Histogram;
  readonly #chores: Counter<'chore'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#pushes = new Counter({
      name: 'pushgateway_pushes_settled_total',
      help: 'Total number of pushes that this worker took from the log, by outcome.',
      labelNames: ['outcome'],
      registers,
    });
    this.#latency = new Histogram({
      name: 'pushgateway_apply_latency_seconds',
      help: 'Time from the append of a push to the log until its merge in seconds.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers,
    });
    this.#chores = new Counter({
      name: 'pushgateway_housekeeping_runs_total',
      help: 'Total number of housekeeping jobs run by this worker, by chore.',
      labelNames: ['chore'],
      registers,
    });
    for (const outcome of ['applied', 'superseded', 'duplicate', 'dead-lettered'] as const) {
      this.#pushes.inc({ outcome }, 0);
    }
  }

  merged(outcome: Outcome, latencySeconds: number): void {
    this.#pushes.inc({ outcome });
    if (outcome !== 'dead-lettered') this.#latency.observe(Math.max(0, latencySeconds));
  }

  chore(chore: string): void {
    this.#chores.inc({ chore });
  }
}
