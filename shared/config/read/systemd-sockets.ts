/**
 * Sockets passed by systemd: https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html.
 *
 * The variables are not settings but a message to this process, so they are removed once they are read: a child process
 * must not take the sockets for its own.
 */
import { GatewayError } from '../../errors.ts';

const FIRST_FD = 3;

/** The descriptors, in the order of the unit. Throws GatewayError `config_invalid` if this process was passed none. */
export function takeSystemdSockets(env: NodeJS.ProcessEnv = process.env, pid: number = process.pid): number[] {
  const { LISTEN_PID: forPid, LISTEN_FDS: countText = '' } = env;
  delete env['LISTEN_PID'];
  delete env['LISTEN_FDS'];
  delete env['LISTEN_FDNAMES'];
  if (forPid === undefined) return refuse('no socket was passed (LISTEN_PID is not set)');
  if (forPid !== String(pid)) return refuse(`the sockets are for process ${forPid}, this is ${pid}`);
  const count = /^\d{1,4}$/.test(countText) ? Number(countText) : 0;
  if (count === 0) return refuse('no socket was passed (LISTEN_FDS is not above 0)');
  return Array.from({ length: count }, (_, index) => FIRST_FD + index);
}

function refuse(why: string): never {
  throw new GatewayError('config_invalid', `cannot use --web.systemd-socket: ${why}`);
}
