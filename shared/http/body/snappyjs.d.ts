declare module 'snappyjs' {
  /** Throws if the data is corrupt, or longer than `maxLength` when uncompressed. */
  export function uncompress(compressed: Buffer, maxLength?: number): Buffer;
  export function compress(uncompressed: Buffer): Buffer;
}
