/**
 * The listeners of a process, and the request gate in front of its routes:
 *
 *     created ──open()──▶ listening ──close()──▶ draining ──▶ closed
 *
 * open() reads the web configuration; until close() a changed file is reloaded.
 */
import type { RequestListener } from 'node:http';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Config, ListenAddress } from '../../config/config.ts';
import { takeSystemdSockets } from '../../config/read/systemd-sockets.ts';
import { formatAddress } from '../../config/values/address.ts';
import { systemReason } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { AllowedHosts } from '../gate/allowed-hosts.ts';
import { TrustedProxies } from '../gate/client-address.ts';
import { FairPasswordChecker, PasswordThread, type ComparePassword } from '../gate/password-checker.ts';
import { RequestGate, TURN_AWAY_REASONS, type TurnedAway } from '../gate/request-gate.ts';
import { WebSettingsSource, type WebSettings, type WebSettingsObserver } from '../web-config/web-settings.ts';
import { configuredConnections } from './configured-connections.ts';
import type { Connections } from './connections.ts';
import { Listener } from './listener.ts';
import { openToGroup, removeStaleSocket } from './unix-socket.ts';

/** For tests, which replace what takes time. */
export interface ListenersOptions {
  /** Default: bcrypt in a thread. */
  readonly comparePassword?: ComparePassword;
  /** Interval between checks of the web configuration's files, ms. */
  readonly pollMs?: number;
}

type Place = ListenAddress | { readonly kind: 'systemd'; readonly fd: number };

export class Listeners implements WebSettingsObserver {
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #source: WebSettingsSource;
  readonly #passwords = new PasswordThread();
  readonly #compare: ComparePassword;
  readonly turnedAway: TurnedAway;
  readonly #lastReload: Gauge;
  readonly #connections: Connections;
  readonly #listeners: Listener[] = [];
  #gate: RequestGate | undefined;
  #state: 'created' | 'listening' | 'draining' | 'closed' = 'created';

  constructor(config: Config, registry: Registry, logger: Logger, options: ListenersOptions = {}) {
    this.#config = config;
    this.#logger = logger;
    this.#source = new WebSettingsSource(config, logger, options.pollMs);
    this.#compare = options.comparePassword ?? this.#passwords.compare;
    const registers = [registry];
    this.turnedAway = new Counter({
      name: 'pushgateway_http_turned_away_total',
      help: 'Total number of requests refused before they reached a route, by reason.',
      labelNames: ['reason'],
      registers,
    });
    for (const reason of TURN_AWAY_REASONS) this.turnedAway.inc({ reason }, 0);
    this.#lastReload = new Gauge({
      name: 'pushgateway_web_config_last_reload_successful',
      help: 'Whether the last reload of the web configuration and its certificates was successful.',
      registers,
    });
    this.#lastReload.set(1);
    this.#connections = configuredConnections(config, registry, logger);
  }

  /**
   * Listens on every address and returns the URL of the first. Rejects when one cannot be opened; close() then closes
   * the others. Throws `config_invalid`, one line for each fault, when the web configuration cannot be used.
   */
  async open(route: RequestListener): Promise<string> {
    const settings = this.#source.load();
    this.#gate = new RequestGate(
      {
        routePrefix: this.#config.web.routePrefix,
        route,
        hosts: new AllowedHosts(this.#config.web.allowedHosts, this.#config.web.externalUrl),
        proxies: new TrustedProxies(this.#config.web.trustedProxies),
        checker: new FairPasswordChecker(this.#compare),
        turnedAway: this.turnedAway,
        logger: this.#logger,
      },
      settings,
    );
    const places: readonly Place[] = this.#config.web.systemdSocket
      ? takeSystemdSockets().map((fd) => ({ kind: 'systemd', fd }))
      : this.#config.web.listen;
    const urls: string[] = [];
    for (const place of places) {
      const listener = new Listener(this.#gate.handle, settings.tls, settings.http2, this.#connections, this.#logger);
      this.#listeners.push(listener);
      await this.#listen(listener, place);
      urls.push(urlOf(listener, place, settings.tls !== undefined));
    }
    const tls = settings.tls === undefined ? 'off' : settings.http2 ? 'on, with HTTP/2' : 'on';
    for (const url of urls) this.#logger.info({ url, tls, users: settings.users.size }, 'listening');
    if (this.#state === 'created') {
      this.#state = 'listening';
      this.#source.watch(this);
    }
    return urls[0] ?? '';
  }

  apply(settings: WebSettings): void {
    this.#gate?.apply(settings);
    for (const listener of this.#listeners) listener.apply(settings.tls, settings.http2);
  }

  reloaded(successful: boolean): void {
    this.#lastReload.set(successful ? 1 : 0);
  }

  /** Resolves when the last request in flight is answered. */
  async close(): Promise<void> {
    this.#state = 'draining';
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    this.#connections.close();
    await this.#source.destroy();
    await this.#passwords.destroy();
    this.#state = 'closed';
  }

  async #listen(listener: Listener, place: Place): Promise<void> {
    if (place.kind === 'unix') await removeStaleSocket(place.path);
    try {
      await listener.listen(this.#optionsFor(place));
    } catch (thrown) {
      throw new Error(`cannot listen on ${nameOf(place)}: ${systemReason(thrown)}`, { cause: thrown });
    }
    if (place.kind === 'unix') openToGroup(place.path);
  }

  #optionsFor(place: Place): Parameters<Listener['listen']>[0] {
    switch (place.kind) {
      case 'systemd':
        return { fd: place.fd };
      case 'unix':
        return { path: place.path };
      case 'tcp': {
        const { host, port } = place;
        // Without a host, Node listens on every interface, and falls back to IPv4 where there is no IPv6.
        if (host === '') return { port };
        // `::` takes the port for IPv4 too, unless 0.0.0.0 is configured with the same port.
        const ipv6Only = this.#config.web.listen.some(
          (other) => other.kind === 'tcp' && other.host === '0.0.0.0' && other.port === port,
        );
        return { host, port, ipv6Only };
      }
      default:
        return place satisfies never;
    }
  }
}

function nameOf(place: Place): string {
  return place.kind === 'systemd' ? `descriptor ${place.fd}` : formatAddress(place);
}

/** With the port that the system chose, if any port was configured. */
function urlOf(listener: Listener, place: Place, tls: boolean): string {
  const { address } = listener;
  if (place.kind === 'unix' || address === null || typeof address === 'string') return nameOf(place);
  const host = place.kind === 'tcp' ? place.host : address.address;
  const any = host === '' || host === '::' || host === '0.0.0.0';
  const shown = any ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `${tls ? 'https' : 'http'}://${shown}:${address.port}`;
}
