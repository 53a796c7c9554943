/**
 * The names under which this server may be asked (--web.allowed-hosts), against DNS rebinding: a web site that makes its
 * own name resolve to this server, so that browsers take the answers for its own. Such a request has the web site's name
 * in `Host`. Addresses and `localhost` are therefore harmless and always accepted, as probes use them; so are requests
 * without `Host`, which no browser sends.
 */
import { isIP } from 'node:net';

export class AllowedHosts {
  readonly #names: ReadonlySet<string>;
  readonly #suffixes: readonly string[];

  /** `names` in lower case, `*.example.com` for all names below; if there are none, every host is accepted. */
  constructor(names: readonly string[], externalUrl: string) {
    const external = names.length > 0 && URL.canParse(externalUrl) ? [new URL(externalUrl).hostname] : [];
    this.#names = new Set([...names.filter((name) => !name.startsWith('*')), ...external]);
    this.#suffixes = names.flatMap((name) => (name.startsWith('*') ? [name.slice(1)] : []));
  }

  /** `host`: the header, with or without a port. */
  accepts(host: string | undefined): boolean {
    if (host === undefined || (this.#names.size === 0 && this.#suffixes.length === 0)) return true;
    const [, address, name = ''] = /^(?:\[([^\]]*)\]|([^:]*?)\.?)(?::\d*)?$/.exec(host.toLowerCase()) ?? [];
    if (isIP(address ?? name) !== 0 || name === 'localhost' || name.endsWith('.localhost')) return true;
    return this.#names.has(name) || this.#suffixes.some((suffix) => name.endsWith(suffix) && name !== suffix);
  }
}
