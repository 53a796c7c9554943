/** Evaluates a .cpuprofile: time by function, without idle time. */
import { readFileSync } from 'node:fs';

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface Entry {
  readonly where: string;
  /** Shares of the busy time, 0 to 1: in the function itself, and including the functions that it calls. */
  readonly self: number;
  readonly total: number;
}

export interface Summary {
  /** Share of the profiled time. */
  readonly busy: number;
  readonly entries: readonly Entry[];
  /** The same time by owner: time in functions of Node belongs to the file or package that called them. */
  readonly owners: readonly Entry[];
}

const IDLE = new Set(['(idle)', '(root)']);

export function summarise(file: string): Summary {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8')) as Profile;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const self = new Map<string, number>();
  const total = new Map<string, number>();
  const owned = new Map<string, number>();
  let busy = 0;
  let all = 0;
  for (const [i, id] of samples.entries()) {
    const us = timeDeltas[i] ?? 0;
    const node = byId.get(id);
    if (node === undefined) continue;
    all += us;
    if (IDLE.has(node.callFrame.functionName)) continue;
    busy += us;
    const here = whereOf(node);
    self.set(here, (self.get(here) ?? 0) + us);
    const stack = new Set<string>();
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const one = byId.get(at);
      if (one !== undefined) stack.add(whereOf(one));
    }
    const owner = ownerOf(stack);
    owned.set(owner, (owned.get(owner) ?? 0) + us);
    for (const where of stack) total.set(where, (total.get(where) ?? 0) + us);
  }
  const entries = Array.from(total, ([where, us]): Entry => {
    return { where, self: (self.get(where) ?? 0) / busy, total: us / busy };
  });
  const owners = Array.from(owned, ([where, us]): Entry => ({ where, self: us / busy, total: us / busy }));
  const largestFirst = (a: Entry, b: Entry): number => b.self - a.self;
  return { busy: busy / all, entries: entries.toSorted(largestFirst), owners: owners.toSorted(largestFirst) };
}

/** `stack`: from the innermost function outwards. */
function ownerOf(stack: Iterable<string>): string {
  let last = '';
  for (const where of stack) {
    if (where === '(garbage collector)' || where === '(program)') return where;
    const file = / (\S+):\d+$/.exec(where)?.[1];
    if (file === undefined || file.startsWith('node:')) {
      last = where === '(root)' ? last : where;
      continue;
    }
    return /^dist\/(?:services|shared)\//.test(file) ? file : (file.split('/')[0] ?? file);
  }
  return `Node: ${last}`;
}

/** `name file:line`, with the path relative to the project or the package. */
function whereOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const file = url.replace(/^.*\/(?=dist\/)/, '').replace(/^.*\/node_modules\//, '');
  const name = functionName === '' ? '(anonymous)' : functionName;
  return file === '' ? name : `${name} ${file}:${lineNumber + 1}`;
}

export function show({ busy, entries, owners }: Summary, count: number): string {
  const line = ({ where, self, total }: Entry): string => `  ${percent(self)} self ${percent(total)} total  ${where}`;
  const bySelf = entries.slice(0, count).map(line);
  const byTotal = entries
    .toSorted((a, b) => b.total - a.total)
    .slice(0, count * 2)
    .map(line);
  const byOwner = owners.slice(0, count * 2).map(({ where, self }) => `  ${percent(self)} ${where}`);
  return `busy ${percent(busy)} of the time\n by owner:\n${byOwner.join('\n')}\n by self time:\n${bySelf.join('\n')}\n by total time:\n${byTotal.join('\n')}`;
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1).padStart(5)}%`;
}
