/**
 * The thread's side of prepare: a batch of pushes comes in with all bodies in one buffer, their operations go out.
 */
import type { GroupOperation } from '../../shared/redis/group-store.ts';
import type { Push } from '../../shared/state/push.ts';
import type { Stamp } from '../../shared/state/stamp.ts';
import { asError } from '../../shared/errors.ts';
import { prepare } from './prepare.ts';

export interface PrepareRequest {
  /** Transferred to the thread, so it must not be a slice of a pool. */
  readonly bodies: ArrayBuffer;
  readonly pushes: readonly { readonly push: Omit<Push, 'body'>; readonly stamp: Stamp; readonly bodyLength: number }[];
}

/** One for each push, in order. */
export type PrepareResult = { readonly operations: readonly GroupOperation[] } | { readonly fault: string };

export default function prepareBatch({ bodies, pushes }: PrepareRequest): PrepareResult[] {
  let at = 0;
  return pushes.map(({ push, stamp, bodyLength }): PrepareResult => {
    const body = Buffer.from(bodies, at, bodyLength);
    at += bodyLength;
    try {
      return { operations: prepare({ ...push, body }, stamp) };
    } catch (thrown) {
      return { fault: asError(thrown).message };
    }
  });
}
