import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { InflightBytes } from '../../shared/http/body/inflight-bytes.ts';
import { PUSH_RESULTS, type PushResponse } from './push-response.ts';

export class IngestTelemetry {
  readonly #pushes: Counter<'method' | 'outcome'>;
  readonly #size: Histogram<'method'>;
  readonly #duration: Histogram<'method'>;

  constructor(registry: Registry, inflight: InflightBytes) {
    const registers = [registry];
    this.#pushes = new Counter({
      name: 'pushgateway_pushes_total',
      help: 'Total number of pushes and deletions, by method and answer.',
      labelNames: ['method', 'outcome'],
      registers,
    });
    this.#size = new Histogram({
      name: 'pushgateway_push_size_bytes',
      help: 'Size of the bodies of pushes, as received, in bytes.',
      labelNames: ['method'],
      buckets: [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216],
      registers,
    });
    this.#duration = new Histogram({
      name: 'pushgateway_push_duration_seconds',
      help: 'Time from the arrival of a push to its answer in seconds.',
      labelNames: ['method'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    });
    const held = new Gauge({
      name: 'pushgateway_inflight_bytes',
      help: 'Memory of the pushes in flight in bytes.',
      collect() {
        this.set(inflight.held);
      },
      registers: [],
    });
    registry.registerMetric(held);
    for (const method of ['PUT', 'POST', 'DELETE']) {
      for (const outcome of PUSH_RESULTS) this.#pushes.inc({ method, outcome }, 0);
    }
  }

  answered(method: string, result: PushResponse['result'], seconds: number): void {
    this.#pushes.inc({ method, outcome: result });
    this.#duration.observe({ method }, seconds);
  }

  received(method: string, bytes: number): void {
    this.#size.observe({ method }, bytes);
  }
}
