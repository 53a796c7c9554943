/** Files of Unix sockets. A process that was killed leaves its file behind. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { GatewayError } from '../../errors.ts';

/** Owner and group may connect. */
const MODE = 0o660;

/** Removes a socket that nobody listens on. Throws `config_invalid` if another process does, or for any other file. */
export async function removeStaleSocket(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  const refuse = (why: string): never => {
    throw new GatewayError('config_invalid', `cannot listen on unix:${path}: ${why}`);
  };
  if (!stats.isSocket()) return refuse('the file exists and is not a socket');
  if (await isListenedOn(path)) return refuse('another process listens on it');
  unlinkSync(path);
}

/** Call it once the socket listens; until then only the owner can connect. */
export function openToGroup(path: string): void {
  chmodSync(path, MODE);
}

async function isListenedOn(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // Any other error, such as EACCES, does not show that nobody listens.
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}
