import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { makeCertificate } from '../support/http/certificates.ts';
import { startGateway } from '../support/servers/gateway.ts';
import { temporaryFolder } from '../support/process/temporary.ts';
import { ask } from '../support/http/web-server.ts';
import type { Readable } from './job-state.ts';

export interface SecuredGateway extends Readable {
  /** `localhost:PORT`, the name in the certificate. */
  readonly address: string;
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Certificate of the authority, for the client. */
  readonly certificate: string;
  readonly certificateFile: string;
}

/**
 * A gateway with TLS, with a certificate of a private authority, and one user. It answers pushes after they are merged.
 */
export async function startSecuredGateway(): Promise<SecuredGateway> {
  const folder = temporaryFolder();
  const [user, password] = ['alice', 'open:sesame'];
  const authority = makeCertificate('authority', { ca: true });
  const { cert, key } = authority.issue('server');
  const yaml = `
tls_server_config: { cert_file: server.crt, key_file: server.key }
basic_auth_users: { ${user}: '${hashSync(password, 4)}' }
`;
  const files = { 'ca.crt': authority.cert, 'server.crt': cert, 'server.key': key, 'web.yml': yaml };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const { port, process } = await startGateway({
    args: [`--web.config.file=${join(folder, 'web.yml')}`, '--push.wait=5s'],
    waitUntilReady: false,
  });
  const headers = { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
  const request = async (path: string) => await ask(port, path, { headers, ca: authority.cert });
  await process.waitUntil('/-/ready', 20_000, async () => (await request('/-/ready')).status === 200);
  return {
    address: `localhost:${port}`,
    url: `https://localhost:${port}`,
    user,
    password,
    certificate: authority.cert,
    certificateFile: join(folder, 'ca.crt'),
    request,
  };
}
