/**
 * Isolates one server from the other servers: all connections between them use proxies. The connections of gateways
 * are separate (link.ts).
 */
import { startBackend, type Backend } from './backend.ts';
import { startProxy, type Proxy } from './link.ts';

export interface Isolation {
  readonly backend: Backend;
  /** Stops all traffic between this server and the others. */
  cut(port: number): void;
  restore(): void;
}

/** Isolates the first master. Replicas and Sentinels connect to it by the port that it announces. */
export async function startSentinelIsolation(): Promise<Isolation> {
  const proxies: Proxy[] = [];
  const announce = async (port: number): Promise<number> => {
    const proxy = await startProxy(port);
    proxies.push(proxy);
    return proxy.port;
  };
  const backend = await startBackend('sentinel', { announce });
  for (const { upstream, port } of proxies) backend.knownPorts.set(upstream, port);
  return {
    backend,
    cut: () => proxies.forEach((proxy) => proxy.cut()),
    restore: () => proxies.forEach((proxy) => proxy.restore()),
  };
}

/**
 * Isolates any node. Each connects to the client ports (replication) and bus ports of the others from its own address.
 */
export async function startClusterIsolation(): Promise<Isolation> {
  const nodes: { port: number; source: string; client: Proxy; bus: Proxy }[] = [];
  const announceNode = async (port: number, busPort: number, source: string) => {
    const [client, bus] = [await startProxy(port), await startProxy(busPort)];
    nodes.push({ port, source, client, bus });
    return { port: client.port, busPort: bus.port };
  };
  const backend = await startBackend('cluster', { announceNode });
  for (const { port, client } of nodes) backend.knownPorts.set(port, client.port);
  return {
    backend,
    cut: (port) => {
      const source = nodes.find((node) => node.port === port)?.source;
      if (source === undefined) throw new Error(`no node listens on port ${port}`);
      for (const node of nodes)
        for (const proxy of [node.client, node.bus]) proxy.cut(node.port === port ? undefined : source);
    },
    restore: () => nodes.forEach(({ client, bus }) => [client, bus].forEach((proxy) => proxy.restore())),
  };
}
