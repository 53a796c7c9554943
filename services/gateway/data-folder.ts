/**
 * The data folder of the embedded Redis: nobody else reads its files or takes the place of its socket.
 *
 * On Linux the folder is used through an open descriptor, so that its path is never too long for a socket, and nobody
 * can put another folder in its place.
 */
import * as fs from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { GatewayError, systemReason } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';

/** Longest path of a Unix socket: sun_path with its final NUL, on the systems where it is shortest. */
const SOCKET_PATH_MAX_BYTES = 103;
/** What Redis makes, or the file system. In a folder with other files, only these are changed. */
const OURS = /^(?:appendonly.*|dump\.rdb|temp-.*|redis\.log|redis\.sock|lost\+found)$/;
const BY_OTHERS = 0o077;

export class DataFolder {
  /** As the user knows it. */
  readonly path: string;
  readonly #logger: Logger;
  #file: number | undefined;
  #opened = '';

  constructor(path: string, logger: Logger) {
    this.path = path;
    this.#logger = logger;
  }

  /** Leads to what open() has opened. */
  get opened(): string {
    return this.#opened;
  }

  get socketPath(): string {
    return join(this.#opened, 'redis.sock');
  }

  /** Makes the folder, and makes it and what Redis has made in it private. Throws `config_invalid`. */
  open(): void {
    try {
      makeFolder(this.path);
      this.#file = fs.openSync(this.path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
      const opened = `/proc/self/fd/${this.#file}`;
      this.#opened = fs.existsSync(opened) ? opened : this.path;
      if (Buffer.byteLength(this.socketPath) > SOCKET_PATH_MAX_BYTES)
        throw new Error(`expected at most ${SOCKET_PATH_MAX_BYTES - '/redis.sock'.length} bytes`);
      this.#makePrivate();
    } catch (cause) {
      const why = systemReason(cause);
      throw new GatewayError('config_invalid', `cannot use --data.dir "${this.path}": ${why}`, { cause });
    }
  }

  /** Call it when nothing uses the folder any more. */
  close(): void {
    if (this.#file !== undefined) fs.closeSync(this.#file);
    this.#file = undefined;
  }

  /** The sockets on which an earlier gateway may have left its Redis; never that of another user. */
  earlierSockets(): string[] {
    // Where version 0.2.0 put it if the path was long.
    const name = createHash('sha1').update(this.path).digest('hex').slice(0, 16);
    return [this.socketPath, join(tmpdir(), `pushgateway-${name}.sock`)].filter((path) => {
      const stats = fs.lstatSync(path, { throwIfNoEntry: false });
      return stats !== undefined && stats.isSocket() && stats.uid === process.getuid?.();
    });
  }

  #makePrivate(): void {
    const names = fs.readdirSync(this.#opened);
    const other = names.find((name) => !OURS.test(name));
    const parts = other === undefined ? ['.'] : names.filter((name) => OURS.test(name));
    const changed = parts.reduce((sum, name) => sum + makePrivate(`${this.#opened}/${name}`), 0);
    const folder = this.path;
    if (changed > 0) this.#logger.info({ folder, changed }, 'made files of the data folder private');
    const { uid, mode } = fs.statSync(this.#opened);
    if (uid === process.getuid?.() && (mode & BY_OTHERS) === 0) return;
    this.#logger.warn({ folder, uid, mode: (mode & 0o7777).toString(8), other }, 'the data folder is not private');
  }
}

/** Also creates parents. mkdir's `recursive` never returns where a parent does not allow it (as in /proc). */
function makeFolder(dir: string): void {
  if (fs.existsSync(dir)) {
    fs.accessSync(dir, fs.constants.W_OK);
    return;
  }
  if (dirname(dir) !== dir && !fs.existsSync(dirname(dir))) makeFolder(dirname(dir));
  fs.mkdirSync(dir, { mode: 0o700 });
}

/** Follows no link. Returns the number of files and folders that it changed. */
function makePrivate(path: string): number {
  let file: number | undefined;
  try {
    file = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
    const stats = fs.fstatSync(file);
    const isOpen = (stats.mode & BY_OTHERS) !== 0;
    if (isOpen) fs.fchmodSync(file, stats.mode & 0o700);
    const inside = stats.isDirectory() ? fs.readdirSync(path) : [];
    return inside.reduce((sum, name) => sum + makePrivate(`${path}/${name}`), isOpen ? 1 : 0);
  } catch {
    // A link, a socket, or a file of another user.
    return 0;
  } finally {
    if (file !== undefined) fs.closeSync(file);
  }
}
