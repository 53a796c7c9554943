/** Files of Unix sockets: a process that was killed leaves its own behind. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { GatewayError } from '../../errors.ts';

/** Owner and group may connect. */
const MODE = 0o660;

/** Removes what nobody listens on any more. Throws when somebody does, or when it is no socket. */
export async function removeStaleSocket(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  const refuse = (why: string): never => {
    throw new GatewayError('config_invalid', `cannot listen on unix:${path}: ${why}`);
  };
  if (!stats.isSocket()) return refuse('the file is there already, and is no socket');
  if (await isListenedOn(path)) return refuse('another process listens there');
  unlinkSync(path);
}

/** To be called when it is listened on: until then only the owner could connect. */
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
    // Only a refusal says that nobody is there; when we may not even ask, somebody may be.
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}
