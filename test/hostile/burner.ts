/**
 * Uses as much CPU time as an attack, and does nothing with it: `node burner.js SHARE SECONDS`, where 1 is one core.
 * Meanwhile the judge measures a gateway that is not attacked on a machine with this load.
 */
const [share = 0, seconds = 0] = process.argv.slice(2).map(Number);
const SLICE_MS = 20;

const endsAt = performance.now() + seconds * 1_000;
const timer = setInterval(() => {
  const sliceEndsAt = performance.now() + SLICE_MS * Math.min(share, 1);
  while (performance.now() < sliceEndsAt);
  if (performance.now() >= endsAt) clearInterval(timer);
}, SLICE_MS);
