/**
 * The connections of a gateway to Redis, which a fault can break: a proxy before every server and Sentinel. In replies
 * that name servers (of Sentinels, CLUSTER SLOTS, MOVED), ports are replaced by those of the proxies, so that the
 * gateway always uses them.
 *
 *     whole ──cut()──▶ cut: data is held back ──restore()──▶ whole: the data arrives late
 *       │
 *       └──break()──▶ connections are closed; new ones work
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { hold } from '../../support/process/resources.ts';
import type { Backend } from './backend.ts';

export class Link {
  /** As `--redis.endpoint` takes it. */
  readonly endpoint: string;
  readonly #proxies: readonly Proxy[];

  constructor(endpoint: string, proxies: readonly Proxy[]) {
    this.endpoint = endpoint;
    this.#proxies = proxies;
  }

  /** To all, or to the servers on these ports. */
  cut(ports?: readonly number[]): void {
    for (const proxy of this.#of(ports)) proxy.cut();
  }

  restore(): void {
    for (const proxy of this.#proxies) proxy.restore();
  }

  /** Closes all connections. */
  break(): void {
    for (const proxy of this.#proxies) proxy.break();
  }

  /**
   * Closes the connection of the next command that contains this when its reply arrives, so that the reply is lost.
   * Resolves then.
   */
  async loseReply(command: string, times: number): Promise<void> {
    await Promise.race(this.#proxies.map(async (proxy) => proxy.loseReplies(command, times)));
  }

  /** From now on, drops messages of subscriptions that contain this. */
  mute(pattern: string | undefined): void {
    for (const proxy of this.#proxies) proxy.muted = pattern;
  }

  #of(ports: readonly number[] | undefined): readonly Proxy[] {
    return ports === undefined ? this.#proxies : this.#proxies.filter(({ upstream }) => ports.includes(upstream));
  }
}

export async function startLink(backend: Backend): Promise<Link> {
  const seeds = backend.endpoint.split(',').map((address) => Number(address.split(':')[1]));
  const upstreams = [...new Set([...seeds, ...backend.nodes.map(({ port }) => port)])];
  const proxies = await Promise.all(upstreams.map(startProxy));
  const rename = makeRename(
    new Map(proxies.map(({ upstream, port }) => [backend.knownPorts.get(upstream) ?? upstream, port])),
  );
  for (const proxy of proxies) proxy.rename = rename;
  const endpoint = seeds
    .map((seed) => `127.0.0.1:${proxies.find(({ upstream }) => upstream === seed)?.port}`)
    .join(',');
  return new Link(endpoint, proxies);
}

const asIs = (text: string): string => text;

/** One connection of the gateway, and the connection to the server behind it. */
interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  readonly source: string | undefined;
  /** Replies up to here count against `loseReplies`. */
  marked: boolean;
}

/** No connections, all of them, or those from one address. */
type Reach = 'none' | 'all' | { readonly source: string };

/** One port, chosen by the kernel, in front of another. */
export class Proxy {
  readonly upstream: number;
  /** Changes the replies to its clients. */
  rename: (text: string) => string = asIs;
  muted: string | undefined;
  readonly #pairs = new Set<Pair>();
  readonly #server: Server;
  #cut: Reach = 'none';
  #lose: { command: string; left: number; done: () => void } | undefined;

  constructor(upstream: number) {
    this.upstream = upstream;
    this.#server = createServer({ noDelay: true }, (client) => this.#join(client));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async start(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    hold(`proxy of port ${this.upstream}`, async () => {
      this.break();
      await new Promise((done) => this.#server.close(done));
    });
  }

  /** For all clients, or those from this address. */
  cut(source?: string): void {
    this.#cut = source === undefined ? 'all' : { source };
    for (const pair of this.#pairs) this.#holdBack(pair);
  }

  restore(): void {
    this.#cut = 'none';
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  break(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
  }

  async loseReplies(command: string, times: number): Promise<void> {
    await new Promise<void>((done) => {
      this.#lose = { command, left: times, done };
    });
  }

  #join(client: Socket): void {
    const server = connect({ port: this.upstream, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    // Read now, because it is unknown after the connection has closed.
    const pair: Pair = { client, server, source: client.remoteAddress, marked: false };
    this.#pairs.add(pair);
    let rest = '';
    client.on('data', (chunk: Buffer) => {
      if (this.#lose !== undefined && chunk.includes(this.#lose.command)) pair.marked = true;
      server.write(chunk);
    });
    server.on('data', (chunk: Buffer) => {
      if (pair.marked && this.#lose !== undefined) return this.#losesReply(pair);
      if (this.rename === asIs) return client.write(chunk);
      // A reply ends with a line feed; after the last line feed there may be half of a port.
      const text = rest + chunk.toString('latin1');
      const end = text.lastIndexOf('\n') + 1;
      rest = text.slice(end);
      const whole = text.slice(0, end);
      if (this.muted !== undefined && whole.includes(this.muted)) return undefined;
      client.write(Buffer.from(this.rename(whole), 'latin1'));
      return undefined;
    });
    const end = (): void => {
      client.destroy();
      server.destroy();
      this.#pairs.delete(pair);
    };
    // Data that the gateway sent before it closed the connection still arrives, as from a kernel.
    client.on('end', () => server.end());
    client.on('error', () => undefined);
    server.on('error', () => undefined);
    client.on('close', () => {
      if (!this.#isCutFor(pair)) end();
    });
    server.on('close', end);
    this.#holdBack(pair);
  }

  #isCutFor({ source }: Pair): boolean {
    return typeof this.#cut === 'string' ? this.#cut === 'all' : this.#cut.source === source;
  }

  #holdBack(pair: Pair): void {
    if (!this.#isCutFor(pair)) return;
    pair.client.pause();
    pair.server.pause();
  }

  #losesReply(pair: Pair): undefined {
    const lose = this.#lose;
    if (lose === undefined) return;
    pair.client.destroy();
    if (--lose.left > 0) return;
    this.#lose = undefined;
    lose.done();
  }
}

export async function startProxy(upstream: number): Promise<Proxy> {
  const proxy = new Proxy(upstream);
  await proxy.start();
  return proxy;
}

/**
 * Ports as Redis writes them: `:17001` (an integer, MOVED), a bulk string, or after an address. All have five
 * digits.
 */
function makeRename(names: ReadonlyMap<number, number>): (text: string) => string {
  const pattern = new RegExp(`(^:|\\n:|\\n|127\\.0\\.0\\.1[ :])(${[...names.keys()].join('|')})(?=\\r|@| )`, 'g');
  return (text) => text.replace(pattern, (_, before: string, port: string) => before + names.get(Number(port)));
}
