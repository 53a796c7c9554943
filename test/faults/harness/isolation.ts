/**
 * Cuts one server off from the others of its kind: they reach it, and it reaches them, through proxies. A gateway's way to it
 * is another one (link.ts).
 */
import { startBackend, type Backend } from './backend.ts';
import { startProxy, type Proxy } from './link.ts';

export interface Isolation {
  readonly backend: Backend;
  /** Nothing goes between this server and the others. */
  cut(port: number): void;
  mend(): void;
}

/** Of the first master. It asks nobody: replicas and Sentinels come to it, by the port that it announces. */
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
    mend: () => proxies.forEach((proxy) => proxy.mend()),
  };
}

/** Of any node. Each comes to the others' client ports (replication) and bus ports from an address of its own. */
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
    mend: () => nodes.forEach(({ client, bus }) => [client, bus].forEach((proxy) => proxy.mend())),
  };
}
