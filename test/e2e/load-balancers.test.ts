import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startNginx, writeNginxConfig } from '../support/servers/nginx.ts';
import { freePort } from '../support/process/ports.ts';
import { projectFolder } from '../support/project.ts';
import { request } from '../support/http/request.ts';
import { run } from '../support/process/run.ts';
import { temporaryFolder } from '../support/process/temporary.ts';
import { missing, requireTool } from '../support/process/tools.ts';

// The configurations of deploy/nginx in a real nginx, in front of stand-ins that return what they received.

/** Answers with its name and the received path. */
interface Backend {
  readonly name: string;
  readonly address: string;
  readonly server: Server;
}
const backends: Backend[] = [];

async function startBackend(name: string, status = 200): Promise<Backend> {
  const port = await freePort();
  const server = createServer((incoming, outgoing) => {
    incoming.resume();
    outgoing.writeHead(status, { 'x-node': name }).end(`${incoming.method} ${incoming.url}`);
  });
  await new Promise<void>((resolve) => void server.listen(port, '127.0.0.1', resolve));
  const backend = { name, address: `127.0.0.1:${port}`, server };
  backends.push(backend);
  return backend;
}

async function stopBackend({ server }: Backend): Promise<void> {
  server.closeAllConnections();
  if (server.listening) await new Promise((resolve) => void server.close(resolve));
}

async function startBalancer(kind: 'ingest' | 'reader', first: string, second: string) {
  const config = join(projectFolder, `deploy/nginx/${kind}.conf`);
  return startNginx(config, { [`${kind}-1:9753`]: first, [`${kind}-2:9753`]: second });
}

beforeEach(({ skip }) => skip(...missing('nginx')));

afterEach(async () => {
  await Promise.all(backends.splice(0).map(stopBackend));
});

test.for(['ingest', 'reader'] as const)('%s: nginx accepts its configuration', async (kind) => {
  const folder = temporaryFolder();
  const local = { [`${kind}-1:9753`]: '127.0.0.1:1', [`${kind}-2:9753`]: '127.0.0.1:2' };
  const file = writeNginxConfig(folder, join(projectFolder, `deploy/nginx/${kind}.conf`), await freePort(), local);
  const checked = await run(requireTool('nginx'), ['-t', '-p', folder, '-e', 'stderr', '-c', file]);
  expect(checked, checked.output).toMatchObject({ code: 0 });
});

test('ingest: paths are passed byte for byte, both nodes are used, and the loss of one has no effect', async () => {
  const [one, two] = [await startBackend('one'), await startBackend('two')];
  const balancer = await startBalancer('ingest', one.address, two.address);
  const path = '/metrics/job/a%2Fb//dir/x+y/@base64/%C3%A9/../z?ttl=5m';
  expect((await request(balancer.url, path, { method: 'PUT', body: 'x 1\n' })).text).toBe(`PUT ${path}`);

  const seen = new Set<unknown>();
  for (let i = 0; i < 40; i++)
    seen.add((await request(balancer.url, '/ingest', { method: 'POST', body: 'x 1\n' })).headers['x-node']);
  expect(seen).toEqual(new Set(['one', 'two']));

  await stopBackend(two);
  for (let i = 0; i < 20; i++) {
    const answer = await request(balancer.url, '/ingest', { method: 'POST', body: 'x 1\n' });
    expect(answer).toMatchObject({ status: 200, headers: { 'x-node': 'one' } });
  }
});

test('ingest: an error reaches the client, and no node is taken out', async () => {
  const [one, two] = [await startBackend('one', 503), await startBackend('two', 503)];
  const balancer = await startBalancer('ingest', one.address, two.address);
  for (let i = 0; i < 20; i++) {
    const answer = await request(balancer.url, '/metrics/job/j', { method: 'PUT' });
    expect(answer).toMatchObject({ status: 503, text: 'PUT /metrics/job/j' });
  }
});

test('ingest: an incomplete large body is streamed to the node, an incomplete small one is buffered', async () => {
  const [one, two] = [await startBackend('one'), await startBackend('two')];
  const balancer = await startBalancer('ingest', one.address, two.address);
  const received = new Promise<string>((resolve) => {
    for (const { server } of [one, two])
      server.on('request', (incoming: IncomingMessage) =>
        incoming.once('data', (chunk: Buffer) => resolve(`${incoming.url} ${chunk.toString()}`)),
      );
  });
  const open = (path: string, length: string) => {
    const socket = connect({ port: Number(new URL(balancer.url).port), host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.write(`PUT ${path} HTTP/1.1\r\nHost: h\r\n${length}\r\n\r\n5\r\nbegin`);
    return socket;
  };
  const sockets = [open('/small', 'Content-Length: 9999'), open('/large', 'Transfer-Encoding: chunked')];
  expect(await received).toBe('/large begin');
  for (const socket of sockets) socket.destroy();
});

test('reader: a client uses the same node as long as it runs', async () => {
  const [one, two] = [await startBackend('one'), await startBackend('two')];
  const balancer = await startBalancer('reader', one.address, two.address);
  const scrape = async () => (await request(balancer.url, '/metrics')).headers['x-node'];
  const chosen = await scrape();
  for (let i = 0; i < 10; i++) expect(await scrape()).toBe(chosen);

  await stopBackend(chosen === 'one' ? one : two);
  for (let i = 0; i < 10; i++) expect(await scrape()).toBe(chosen === 'one' ? 'two' : 'one');
});
