import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../process/ports.ts';
import { TestProcess } from '../process/process.ts';
import { temporaryFolder } from '../process/temporary.ts';
import { requireTool } from '../process/tools.ts';

/**
 * A load balancer of deploy/ on this machine: the addresses of the Compose network are replaced, and it
 * stays in the foreground. `upstreams` maps `host:port` of the file to where it is here.
 */
export async function startNginx(
  configFile: string,
  upstreams: Readonly<Record<string, string>>,
): Promise<{ url: string; process: TestProcess }> {
  const folder = temporaryFolder();
  const port = await freePort();
  const file = writeNginxConfig(folder, configFile, port, upstreams);
  const nginx = requireTool('nginx');
  const server = await TestProcess.start(nginx, ['-p', folder, '-e', 'stderr', '-c', file, '-g', 'daemon off;'], {
    cwd: folder,
  });
  await waitForNginx(server, join(folder, 'nginx.pid'));
  return { url: `http://127.0.0.1:${port}`, process: server };
}

/** It listens when it has written its process ID. Waiting for an answer could take another server for it. */
export async function waitForNginx(server: TestProcess, pidFile: string): Promise<void> {
  await server.waitUntil(
    'nginx',
    10_000,
    () => existsSync(pidFile) && readFileSync(pidFile, 'utf8') === `${server.pid}\n`,
  );
}

/** Returns the path of the adapted file. */
export function writeNginxConfig(
  folder: string,
  configFile: string,
  port: number,
  upstreams: Readonly<Record<string, string>>,
): string {
  let text = readFileSync(configFile, 'utf8').replaceAll('/tmp/', `${folder}/`);
  text = text.replace(/\blisten \d+;/, `listen 127.0.0.1:${port};`);
  for (const [address, local] of Object.entries(upstreams)) {
    if (!text.includes(`server ${address}`)) throw new Error(`${configFile} has no server ${address}`);
    text = text.replaceAll(`server ${address}`, `server ${local}`);
  }
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, text);
  return file;
}
