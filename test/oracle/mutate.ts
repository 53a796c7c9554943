/** A small seeded generator (mulberry32), so that a failure can be repeated. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A body of the corpus with a few pieces removed, repeated, copied from another body, or inserted. */
export function mutateText(random: () => number, corpus: readonly string[], tokens: readonly string[]): string {
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = (from: readonly string[]): string => from[below(from.length)] ?? '';
  let text = pick(corpus);
  for (let left = below(6); left > 0; left--) {
    const at = below(text.length + 1);
    const end = Math.min(text.length, at + 1 + below(random() < 0.7 ? 3 : 20));
    switch (below(6)) {
      case 0:
        text = text.slice(0, at) + text.slice(end);
        break;
      case 1:
        text = text.slice(0, end) + text.slice(at);
        break;
      case 2: {
        const other = pick(corpus);
        const from = below(other.length + 1);
        text = text.slice(0, at) + other.slice(from, from + below(30)) + text.slice(end);
        break;
      }
      case 3:
        text += pick(corpus);
        break;
      default:
        text = text.slice(0, at) + pick(tokens) + text.slice(at);
    }
  }
  // A cut may split a surrogate pair.
  return Buffer.from(text).toString();
}
