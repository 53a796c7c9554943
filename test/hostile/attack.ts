/**
 * What every attack has in common. An attack is one file of attacks/, listed in attacks.ts; it is run by attacker.ts in
 * a process of its own, with a lower priority than the gateway. It knows the documents of the gateway and nothing else.
 */
import type { Tally } from './client/tally.ts';

/**
 * `plain`: HTTP without users. `tls`: HTTPS with HTTP/2. `secured`: the same with users, of whom the attacker is none.
 */
export type GatewayKind = 'plain' | 'tls' | 'secured';

export interface Target {
  readonly port: number;
  readonly kind: GatewayKind;
  /** Connections that the attack holds at a time. */
  readonly clients: number;
}

export interface Attack {
  /** One line for the report. */
  readonly what: string;
  readonly against: GatewayKind;
  /** Default number of connections at a time. */
  readonly clients: number;
  /** `false`: no scrapes during the attack, because a scrape would release what the attack makes the gateway hold. */
  readonly scrapes?: false;
  /** Prepares requests and pushes groups that they need, before the measured time; bounded by the signal. */
  prepare?(target: Target, signal: AbortSignal): Promise<void> | void;
  /** Runs until the signal, and returns what was sent and answered. */
  start(target: Target, signal: AbortSignal): Promise<Tally>;
}
