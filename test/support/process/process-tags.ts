import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { platform } from 'node:process';

/**
 * Every process a test starts can be told from all others on the machine: the mark stands in its environment (as
 * TEST_MARK, inherited by its children) and in the name of the temporary folder it works in. A child that outlives its
 * parent, or hides its environment as redis-server does, is still found.
 *
 * pgw-<run>-<file>: the run is one `vitest`, the file one test file. Both are random and long enough that two runs on one
 * machine have none in common: each run ends what carries its own mark.
 */
export const RUN_VARIABLE = 'TEST_RUN';

export function runMark(): string {
  return `pgw-${process.env[RUN_VARIABLE] ?? 'solo'}`;
}

/** Modules are loaded anew for each test file, so this is the file's own. */
export const fileMark = `${runMark()}-${randomBytes(4).toString('hex')}`;

export interface MarkedProcess {
  readonly pid: number;
  readonly command: string;
}

/** The living processes that carry the mark, zombies left out. */
export function processesMarked(mark: string): MarkedProcess[] {
  return platform === 'linux' ? fromProc(mark) : fromPs(mark);
}

function fromProc(mark: string): MarkedProcess[] {
  const found: MarkedProcess[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const command = attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
      .replaceAll('\0', ' ')
      .trim();
    if (command === '') continue; // a kernel thread, a zombie, or gone
    const marked =
      command.includes(mark) ||
      attempt(() => readFileSync(`/proc/${pid}/environ`, 'utf8')).includes(mark) ||
      attempt(() => readlinkSync(`/proc/${pid}/cwd`)).includes(mark);
    if (marked) found.push({ pid, command });
  }
  return found;
}

function fromPs(mark: string): MarkedProcess[] {
  const found: MarkedProcess[] = [];
  for (const line of execFileSync('ps', ['-Awwo', 'pid=,command='], { encoding: 'utf8' }).split('\n')) {
    const match = /^\s*(\d+)\s+(.*)$/.exec(line);
    if (match?.[2]?.includes(mark) && Number(match[1]) !== process.pid) {
      found.push({ pid: Number(match[1]), command: match[2] });
    }
  }
  return found;
}

/** The process and all that descend from it, parents first. */
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

/** Processes end while one looks at them: what can't be read any more is empty. */
function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
