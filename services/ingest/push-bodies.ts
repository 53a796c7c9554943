/** Reads the bodies of pushes, within the limits on their size and on the memory of all pushes in flight. */
import type { FastifyRequest } from 'fastify';
import { lengthOf } from '../../shared/http/body/body-chunks.ts';
import type { Hold, InflightBytes } from '../../shared/http/body/inflight-bytes.ts';
import { readBody } from '../../shared/http/body/read-body.ts';
import type { IngestTelemetry } from './telemetry.ts';

export class PushBodies {
  readonly #inflight: InflightBytes;
  readonly #maxBytes: number;
  readonly #telemetry: IngestTelemetry;

  /** `maxBytes`: size limit of one body, as sent. */
  constructor(inflight: InflightBytes, maxBytes: number, telemetry: IngestTelemetry) {
    this.#inflight = inflight;
    this.#maxBytes = maxBytes;
    this.#telemetry = telemetry;
  }

  /** Calls `use` with the body as it was sent, in chunks, and with what it holds of the memory until `use` returns. */
  async with<T>({ raw, method }: FastifyRequest, use: (sent: readonly Buffer[], hold: Hold) => Promise<T>): Promise<T> {
    const hold = this.#inflight.open(raw);
    try {
      const sent = await readBody(raw, this.#maxBytes, hold);
      this.#telemetry.received(method, lengthOf(sent));
      return await use(sent, hold);
    } finally {
      hold.release();
    }
  }
}
