/**
 * A replacement of the clock of the C library, for one server, which a test can step. Not libfaketime, because it and
 * the allocator of Redis call each other without end.
 */
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { runOrThrow } from '../../support/process/run.ts';
import { temporaryFolder } from '../../support/process/temporary.ts';
import { findTool } from '../../support/process/tools.ts';
import type { RedisServer } from '../../support/redis/server.ts';

// The file holds the offset in seconds. It is mapped, so that a step shows at once and costs no system call.
const SHIM = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile int64_t *offset_s;
__attribute__((constructor)) static void map_offset(void) {
  int file = open(getenv("CLOCK_OFFSET_FILE"), O_RDONLY);
  void *mapped = mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) abort();
  offset_s = mapped;
  close(file);
}
int gettimeofday(struct timeval *tv, void *tz) {
  int result = syscall(SYS_gettimeofday, tv, tz);
  if (tv && offset_s) tv->tv_sec += *offset_s;
  return result;
}
time_t time(time_t *t) {
  struct timeval tv;
  gettimeofday(&tv, 0);
  if (t) *t = tv.tv_sec;
  return tv.tv_sec;
}
`;

/** Tolerance, wide enough for a busy machine. */
const TOLERANCE_S = 5;

export class Clock {
  /** Environment of the server that uses it. */
  readonly env: Record<string, string>;
  readonly #file: string;

  private constructor(folder: string) {
    this.#file = join(folder, 'offset');
    this.env = { LD_PRELOAD: join(folder, 'clock.so'), CLOCK_OFFSET_FILE: this.#file };
  }

  static async build(offsetS: number): Promise<Clock> {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'clock.c'), SHIM);
    await runOrThrow('cc', ['-shared', '-fPIC', '-o', 'clock.so', 'clock.c'], { cwd: folder });
    const clock = new Clock(folder);
    writeFileSync(clock.#file, bytesOf(offsetS));
    return clock;
  }

  /** Sets the offset from the right time. */
  step(offsetS: number): void {
    // In place: the file is mapped.
    const file = openSync(this.#file, 'r+');
    writeSync(file, bytesOf(offsetS), 0, 8, 0);
    closeSync(file);
  }
}

function bytesOf(offsetS: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(offsetS));
  return bytes;
}

/** Throws if the clock of the server does not have this offset from ours. */
export async function requireOffset(server: RedisServer, expectedS: number): Promise<void> {
  const offsetS = Number((await server.cli('TIME')).split('\n')[0]) - Date.now() / 1_000;
  if (Math.abs(offsetS - expectedS) > TOLERANCE_S)
    throw new Error(`the clock of ${server.endpoint} is ${offsetS} s off, not ${expectedS}`);
}

export function missingForClock(): string | undefined {
  return findTool('cc') === undefined ? 'no C compiler (cc), to build what shifts the clock' : undefined;
}
