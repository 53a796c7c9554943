/** Opens the configured listen addresses. */
import type { FastifyInstance } from 'fastify';
import type { Config, ListenAddress } from '../config/config.ts';

/** Returns the URL of the first address. Rejects when an address cannot be had. */
export async function listen(app: FastifyInstance, config: Config): Promise<string> {
  const [first, ...others] = config.web.listen;
  if (first === undefined) throw new Error('there is no address to listen on');
  if (others.length > 0) throw new Error('more than one --web.listen-address is not supported yet');
  await app.listen(
    first.kind === 'unix' ? { path: first.path } : { host: first.host === '' ? '::' : first.host, port: first.port },
  );
  return urlOf(first, config.tls.enabled);
}

function urlOf(address: ListenAddress, tls: boolean): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  const any = address.host === '' || address.host === '::' || address.host === '0.0.0.0';
  const host = any ? 'localhost' : address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${tls ? 'https' : 'http'}://${host}:${address.port}`;
}
