/** What runs in the threads of prepare-pool.ts. */
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { asError, GatewayError, type ErrorCode } from '../../../shared/errors.ts';
import { preparePush, type PreparedGroup, type PrepareOptions } from './prepare-push.ts';

export interface PrepareTask extends PrepareOptions {
  /** Of the body; transferred to the thread, so none is a part of a larger buffer. */
  readonly chunks: readonly Uint8Array[];
}

/** Errors lose their class on the way between threads, so the code and the message travel instead. */
export type PrepareReply =
  { readonly groups: readonly PreparedGroup[] } | { readonly code: ErrorCode; readonly message: string };

export default function prepare({ chunks, ...options }: PrepareTask): PrepareReply {
  try {
    const { groups, bytes } = withoutStrings(preparePush(Buffer.concat(chunks), options));
    // Moves the memory of the bytes instead of copying it.
    return move({ [transferableSymbol]: [bytes], [valueSymbol]: { groups } }) as unknown as PrepareReply;
  } catch (thrown) {
    if (thrown instanceof GatewayError) return { code: thrown.code, message: thrown.message };
    throw asError(thrown);
  }
}

/** With all texts in `bytes`, so that the event loop has neither to copy nor to encode them, and without label sets. */
function withoutStrings(groups: readonly PreparedGroup[]): { groups: PreparedGroup[]; bytes: ArrayBuffer } {
  let length = 0;
  for (const { families } of groups) {
    for (const { content } of families) length += Buffer.byteLength(content.text) + (content.exact?.length ?? 0);
  }
  const bytes = new ArrayBuffer(length);
  let at = 0;
  const put = (source: string | Uint8Array): Uint8Array => {
    const into = Buffer.from(bytes, at);
    const written = typeof source === 'string' ? into.write(source) : (into.set(source), source.length);
    at += written;
    return new Uint8Array(bytes, at - written, written);
  };
  return {
    bytes,
    groups: groups.map(({ families, ...group }) => ({
      ...group,
      families: families.map(({ name, content: { text, exact, ...content } }) => {
        const withText = { ...content, text: put(text) };
        return { name, content: exact === undefined ? withText : { ...withText, exact: put(exact) } };
      }),
    })),
  };
}
