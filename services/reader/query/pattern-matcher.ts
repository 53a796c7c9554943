/**
 * Matches label values against regular expressions. Any client may send one: they are RE2, for which matching takes
 * linear time, but a pattern of 20 characters can be a million times slower than another. Therefore this is done in a
 * thread, of low priority and with little memory, which is ended when a query has taken its time.
 */
import { Piscina } from 'piscina';
import { threadFile } from '../../../shared/async/thread-file.ts';
import { asError } from '../../../shared/errors.ts';
import type { PatternReply, PatternTask } from './pattern-thread.ts';

/** Time that all patterns of a query may take. */
const MAX_MS = 2_000;
/** Heap of the thread. */
const HEAP_MB = 64;
/** Number of characters, and of values, that are passed to the thread at once. */
const CHUNK_CHARS = 256 * 1024;
const CHUNK_VALUES = 2_000;
/** Time after which the idle thread ends. */
const IDLE_MS = 10_000;
const NICE_INCREMENT = 5;

/** What a query has left; at first `patternBudget()`. */
export interface PatternBudget {
  leftMs: number;
}

export function patternBudget(): PatternBudget {
  return { leftMs: MAX_MS };
}

/** A pattern cannot be used. */
export class PatternFault extends Error {
  readonly expected: string;

  constructor(reason: string, expected = 'a simpler regular expression') {
    super(reason);
    this.expected = expected;
  }
}

export type PatternThread = Piscina<PatternTask, PatternReply>;

/** The first task starts it. */
export function patternThread(): PatternThread {
  const thread: PatternThread = new Piscina({
    filename: threadFile('pattern-thread', import.meta.url),
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_MS,
    atomics: 'disabled',
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    niceIncrement: NICE_INCREMENT,
    recordTiming: false,
  });
  // It can run out of memory after its task has been given up. Without a listener this would end the process.
  thread.on('error', () => {});
  return thread;
}

export class PatternMatcher {
  readonly #thread: Pick<PatternThread, 'run'>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(thread: Pick<PatternThread, 'run'>) {
    this.#thread = thread;
  }

  /** The values that match as a whole. Throws PatternFault if the pattern is invalid or exceeds the budget. */
  async matching(pattern: string, values: Iterable<string>, budget: PatternBudget): Promise<ReadonlySet<string>> {
    // One query after the other, so that the time of a query does not include that of others.
    const matched = this.#last.then(async () => await this.#match(pattern, values, budget));
    this.#last = matched.catch(() => undefined);
    return await matched;
  }

  async #match(pattern: string, values: Iterable<string>, budget: PatternBudget): Promise<ReadonlySet<string>> {
    const matching = new Set<string>();
    for (const chunk of chunksOf(values)) {
      const matches = await this.#run(pattern, chunk, budget);
      for (const [i, value] of chunk.entries()) if (matches[i] === 1) matching.add(value);
    }
    return matching;
  }

  async #run(pattern: string, values: readonly string[], budget: PatternBudget): Promise<Uint8Array> {
    const startedMs = performance.now();
    const signal = AbortSignal.timeout(Math.max(1, Math.ceil(budget.leftMs)));
    try {
      const reply = await this.#thread.run({ pattern, values }, { signal });
      if ('matches' in reply) return reply.matches;
      throw new PatternFault(reply.fault, 'a regular expression');
    } catch (thrown) {
      throw explain(asError(thrown));
    } finally {
      budget.leftMs -= performance.now() - startedMs;
    }
  }
}

/** At least one, which may be empty: even if there is nothing to match, the pattern has to be valid. */
function* chunksOf(values: Iterable<string>): Generator<string[]> {
  let chunk: string[] = [];
  let chars = 0;
  for (const value of values) {
    chunk.push(value);
    chars += value.length;
    if (chars < CHUNK_CHARS && chunk.length < CHUNK_VALUES) continue;
    yield chunk;
    [chunk, chars] = [[], 0];
  }
  yield chunk;
}

function explain(error: Error): Error {
  if (error.name === 'AbortError') return new PatternFault(`it takes more than ${MAX_MS / 1_000} s to match`);
  const isOutOfMemory = 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
  return isOutOfMemory ? new PatternFault(`it needs more than ${HEAP_MB} MB of memory`) : error;
}
