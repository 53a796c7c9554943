/** Nested plain objects, addressed by dotted paths: `redis.tls.enabled`. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** undefined when there is nothing. */
export function valueAt(tree: unknown, path: string): unknown {
  let node = tree;
  for (const key of path.split('.')) node = isRecord(node) ? node[key] : undefined;
  return node;
}

/** Makes the objects on the way. */
export function setAt(tree: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let node = tree;
  for (const key of keys) {
    const below = node[key];
    const next = isRecord(below) ? below : {};
    node[key] = next;
    node = next;
  }
  node[last] = value;
}

export function deepFreeze<T extends object>(value: T): T {
  const children: readonly unknown[] = Object.values(value);
  for (const child of children) if (typeof child === 'object' && child !== null) deepFreeze(child);
  return Object.freeze(value);
}
