/** The shapes in which Redis replies, turned into plain data. */
import type { ChangeEntry } from '../records/change-record.ts';

/** A reply in which names and values alternate: a hash, the fields of a stream entry. */
export function fieldsOf<T extends string | Buffer>(reply: readonly T[]): Map<string, T> {
  const fields = new Map<string, T>();
  for (let i = 0; i + 1 < reply.length; i += 2) fields.set(String(reply[i]), reply[i + 1] as T);
  return fields;
}

/** A reply of XRANGE or XREVRANGE. */
export function entriesOf(reply: readonly [id: string, fields: string[]][]): ChangeEntry[] {
  return reply.map(([id, fields]) => ({ id, fields: fieldsOf(fields) }));
}
