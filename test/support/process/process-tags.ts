import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { platform } from 'node:process';

/**
 * Tags by which the processes of a test can be found. The tag is in the environment of every process that a test starts
 * (TEST_TAG, inherited by its children) and in the name of its temporary folder. A process is therefore found even if
 * it outlives its parent, or overwrites its environment as redis-server does.
 *
 * A tag is pgw-<run>-<file>: the run is one `vitest`, the file one test file. Both are random, so that two runs on one
 * machine have different tags, and each run ends only its own processes.
 */
export const RUN_VARIABLE = 'TEST_RUN';

export function runTag(): string {
  return `pgw-${process.env[RUN_VARIABLE] ?? 'solo'}`;
}

/** The tag of this test file. Modules are loaded again for each test file. */
export const fileTag = `${runTag()}-${randomBytes(4).toString('hex')}`;

export interface TaggedProcess {
  readonly pid: number;
  readonly command: string;
}

/** The running processes with the tag, without zombies. */
export function taggedProcesses(tag: string): TaggedProcess[] {
  return platform === 'linux' ? fromProc(tag) : fromPs(tag);
}

function fromProc(tag: string): TaggedProcess[] {
  const found: TaggedProcess[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const command = attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
      .replaceAll('\0', ' ')
      .trim();
    if (command === '') continue; // a kernel thread, a zombie, or gone
    const isTagged =
      command.includes(tag) ||
      attempt(() => readFileSync(`/proc/${pid}/environ`, 'utf8')).includes(tag) ||
      attempt(() => readlinkSync(`/proc/${pid}/cwd`)).includes(tag);
    if (isTagged) found.push({ pid, command });
  }
  return found;
}

function fromPs(tag: string): TaggedProcess[] {
  const found: TaggedProcess[] = [];
  for (const line of execFileSync('ps', ['-Awwo', 'pid=,command='], { encoding: 'utf8' }).split('\n')) {
    const match = /^\s*(\d+)\s+(.*)$/.exec(line);
    if (match?.[2]?.includes(tag) && Number(match[1]) !== process.pid) {
      found.push({ pid: Number(match[1]), command: match[2] });
    }
  }
  return found;
}

/** The process and its descendants, parents first. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const [pid, parent] of platform === 'linux' ? parentsFromProc() : parentsFromPs()) {
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

type Parentage = [pid: number, parent: number];

function parentsFromProc(): Parentage[] {
  const found: Parentage[] = [];
  for (const entry of readdirSync('/proc')) {
    // `1234 (any name (even this)) S 1200 …`
    const parent = /^\d+ \(.*\) \S (\d+)/s.exec(attempt(() => readFileSync(`/proc/${entry}/stat`, 'utf8')))?.[1];
    if (parent !== undefined && /^\d+$/.test(entry)) found.push([Number(entry), Number(parent)]);
  }
  return found;
}

function parentsFromPs(): Parentage[] {
  const lines = execFileSync('ps', ['-Ao', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => {
    const [pid = 0, parent = 0] = line.trim().split(/\s+/).map(Number);
    return [pid, parent];
  });
}

/** Reads a file of a process; empty if the process has ended. */
function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
