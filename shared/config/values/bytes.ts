/** Sizes: plain bytes, or a number with KiB/MiB/GiB (powers of 1024) or KB/MB/GB (powers of 1000). */
const bytesPerUnit: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['kib', 1024],
  ['mib', 1024 ** 2],
  ['gib', 1024 ** 3],
]);

export const bytesHint = 'a size such as 1048576, 512KiB, 16MiB or 1GiB';

/** Whole bytes; undefined when the text is not a size, or not a whole number of bytes. */
export function readBytes(text: string): number | undefined {
  const shape = /^(\d{1,15}(?:\.\d{1,6})?) ?([a-z]*)$/i.exec(text);
  const scale = bytesPerUnit.get((shape?.[2] ?? '').toLowerCase());
  if (shape === null || scale === undefined) return undefined;
  const bytes = Number(shape[1]) * scale;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The largest binary unit that divides it: 16777216 → `16MiB`, 1000 → `1000`. */
export function formatBytes(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB']) {
    const scale = bytesPerUnit.get(unit.toLowerCase()) ?? 1;
    if (bytes >= scale && bytes % scale === 0) return `${bytes / scale}${unit}`;
  }
  return String(bytes);
}
