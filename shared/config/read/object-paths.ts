/** Nested plain objects, addressed by dotted paths such as `redis.tls.enabled`. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Undefined if the path does not exist. */
export function valueAt(root: unknown, path: string): unknown {
  let value = root;
  for (const key of path.split('.')) value = isRecord(value) ? value[key] : undefined;
  return value;
}

/** Creates the objects along the path. */
export function setAt(root: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let object = root;
  for (const key of keys) {
    const below = object[key];
    const next = isRecord(below) ? below : {};
    object[key] = next;
    object = next;
  }
  object[last] = value;
}

export function deepFreeze<T extends object>(value: T): T {
  const children: readonly unknown[] = Object.values(value);
  for (const child of children) if (typeof child === 'object' && child !== null) deepFreeze(child);
  return Object.freeze(value);
}
