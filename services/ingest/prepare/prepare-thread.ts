/** What runs in the threads of prepare-pool.ts. */
import { asError, GatewayError, type ErrorCode } from '../../../shared/errors.ts';
import { preparePush, type PreparedGroup, type PrepareOptions } from './prepare-push.ts';

export interface PrepareTask extends PrepareOptions {
  /** Transferred to the thread, so it must not be a slice of a larger buffer. */
  readonly body: ArrayBuffer;
}

/** Errors lose their class on the way between threads, so the code and the message travel instead. */
export type PrepareReply =
  { readonly groups: readonly PreparedGroup[] } | { readonly code: ErrorCode; readonly message: string };

export default function prepare({ body, ...options }: PrepareTask): PrepareReply {
  try {
    const groups = preparePush(new Uint8Array(body), options);
    return {
      groups: groups.map(({ families, ...group }) => ({
        ...group,
        families: families.map(({ name, content }) => ({ name, content })),
      })),
    };
  } catch (thrown) {
    if (thrown instanceof GatewayError) return { code: thrown.code, message: thrown.message };
    throw asError(thrown);
  }
}
