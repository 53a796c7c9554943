/**
 * Resources that a test has started and not yet ended. A resource belongs to the test or hook that started it: what a
 * test starts is ended after that test, what `beforeAll` starts is ended after the file, the last one first (see
 * setup.ts). A test ends a resource itself only to test the end.
 */
interface Resource {
  readonly name: string;
  readonly end: () => Promise<void>;
}

const held: Resource[] = [];

/** Registers a resource. Call the returned function to unregister it after it was ended otherwise. */
export function hold(name: string, end: () => Promise<void>): () => void {
  const resource: Resource = { name, end };
  held.push(resource);
  return () => {
    const at = held.indexOf(resource);
    if (at >= 0) held.splice(at, 1);
  };
}

export function heldCount(): number {
  return held.length;
}

/** Ends all but the first `keep` resources, also after failures, and then throws the failures together. */
export async function endResources(keep: number): Promise<void> {
  const failures: unknown[] = [];
  while (held.length > keep) {
    const resource = held.pop();
    try {
      await resource?.end();
    } catch (error) {
      failures.push(new Error(`cannot end ${resource?.name}: ${String(error)}`, { cause: error }));
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join('\n'));
}
