/** Reads the bodies of pushes, within the limits on their size and on all bodies in memory. */
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../../shared/errors.ts';
import { inflate } from '../../shared/http/body/content-encoding.ts';
import { readBody, type InflightBytes } from '../../shared/http/body/read-body.ts';
import type { IngestTelemetry } from './telemetry.ts';

type Use<T> = (body: Buffer) => Promise<T>;

export class PushBodies {
  readonly #inflight: InflightBytes;
  readonly #maxBytes: number;
  readonly #telemetry: IngestTelemetry;

  /** `maxBytes`: size limit of one body, as sent and again when inflated. */
  constructor(inflight: InflightBytes, maxBytes: number, telemetry: IngestTelemetry) {
    this.#inflight = inflight;
    this.#maxBytes = maxBytes;
    this.#telemetry = telemetry;
  }

  /** Calls `use` with the body as it was sent. */
  async withSent<T>({ raw, method }: FastifyRequest, use: Use<T>): Promise<T> {
    const sent = await readBody(raw, this.#maxBytes, this.#inflight);
    this.#telemetry.received(method, sent.length);
    try {
      return await use(sent);
    } finally {
      this.#inflight.give(sent.length);
    }
  }

  /** Calls `use` with the body, inflated as its Content-Encoding says. */
  async withInflated<T>(request: FastifyRequest, use: Use<T>): Promise<T> {
    return await this.withSent(request, async (sent) => {
      const body = await inflate(sent, request.headers['content-encoding'], this.#maxBytes);
      if (body === sent) return await use(body);
      if (!this.#inflight.take(body.length))
        throw new GatewayError('overloaded', 'too many pushes are in flight, try again later');
      try {
        return await use(body);
      } finally {
        this.#inflight.give(body.length);
      }
    });
  }
}
