import { buildGoProgram, whyNoGoProgram, type GoProgram } from '../process/go-program.ts';
import { TestProcess, type Exit } from '../process/process.ts';
import { request, type Answer, type RequestOptions } from '../http/request.ts';
import { requireTool } from '../process/tools.ts';

/** The release with which the gateway is compared; Debian's package is older. */
export const LATEST_RELEASE = 'v1.11.3';

const latest: GoProgram = {
  module: 'github.com/prometheus/pushgateway',
  version: LATEST_RELEASE,
  package: 'github.com/prometheus/pushgateway',
  file: `official/${LATEST_RELEASE}/pushgateway`,
};

/** The official Pushgateway, for comparisons. It stores nothing on disk. */
export class OfficialGateway {
  readonly url: string;
  readonly process: TestProcess;

  private constructor(url: string, server: TestProcess) {
    this.url = url;
    this.process = server;
  }

  static async start(command: string, args: readonly string[], prefix: string): Promise<OfficialGateway> {
    const server = await TestProcess.start(command, [
      '--web.listen-address=127.0.0.1:0',
      '--persistence.file=',
      ...args,
    ]);
    const [, address] = await server.waitForLine(/msg="Listening on" address=(\S+)/);
    const url = `http://${address}`;
    await server.waitForHttp(`${url}${prefix}/-/ready`);
    return new OfficialGateway(url, server);
  }

  async request(path: string, options?: RequestOptions): Promise<Answer> {
    return request(this.url, path, options);
  }

  async push(path: string, body: string | Uint8Array = '', options: RequestOptions = {}): Promise<Answer> {
    return request(this.url, path, { method: 'PUT', body, ...options });
  }

  async scrape(): Promise<string> {
    return (await request(this.url, '/metrics')).text;
  }

  async stop(): Promise<Exit> {
    return this.process.stop();
  }
}

/** Debian's package, 1.5.1 in Debian 12. `prefix`: the route prefix that `args` set. */
export async function startOfficial(args: readonly string[] = [], prefix = ''): Promise<OfficialGateway> {
  return OfficialGateway.start(requireTool('prometheus-pushgateway'), args, prefix);
}

/** LATEST_RELEASE; check whyNoLatest() before. The first start on a machine compiles it, which takes minutes. */
export async function startOfficialLatest(args: readonly string[] = [], prefix = ''): Promise<OfficialGateway> {
  return OfficialGateway.start(await buildGoProgram(latest), args, prefix);
}

/** For `skip(...whyNoLatest())`: why it cannot be compiled. */
export function whyNoLatest(): [condition: boolean, note: string] {
  return whyNoGoProgram(latest);
}

/** LATEST_RELEASE if it is available, otherwise the Debian package; for benchmarks. */
export async function officialCommand(): Promise<{ command: string; release: string }> {
  const [cannot] = whyNoLatest();
  if (cannot) return { command: requireTool('prometheus-pushgateway'), release: "Debian's" };
  return { command: await buildGoProgram(latest), release: LATEST_RELEASE };
}
