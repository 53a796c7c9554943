/** Sizes in bytes, without a unit or with KiB, MiB, GiB (powers of 1024), KB, MB, GB (powers of 1000). */
const BYTES_PER_UNIT: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['kib', 1024],
  ['mib', 1024 ** 2],
  ['gib', 1024 ** 3],
]);

export const BYTES_HINT = 'a size such as 1048576, 512KiB, 16MiB or 1GiB';

/** Undefined if the text is not a size, or not a whole number of bytes. */
export function readBytes(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([a-z]*)$/i.exec(text);
  const scale = BYTES_PER_UNIT.get((match?.[2] ?? '').toLowerCase());
  if (match === null || scale === undefined) return undefined;
  const bytes = Number(match[1]) * scale;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** In the largest binary unit that divides the size: 16777216 → `16MiB`, 1000 → `1000`. */
export function formatBytes(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB']) {
    const scale = BYTES_PER_UNIT.get(unit.toLowerCase()) ?? 1;
    if (bytes >= scale && bytes % scale === 0) return `${bytes / scale}${unit}`;
  }
  return String(bytes);
}
