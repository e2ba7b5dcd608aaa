/** Leaves lo..hi-1. */
export interface Range {
  lo: number;
  hi: number;
}

/**
 * Cuts leaves 0..leaves-1 into neighbouring ranges as near to the weights as whole leaves allow, at least one
 * leaf each (largest remainders; of equal ones the first). There must be as many leaves as weights.
 */
export function rangesFor(weights: readonly number[], leaves: number): Range[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const spare = leaves - weights.length;
  const shares = weights.map((weight) => Math.max(0, (leaves * weight) / total - 1));
  const shareTotal = shares.reduce((sum, share) => sum + share, 0);
  const ideal = shares.map((share) => (shareTotal === 0 ? 0 : (spare * share) / shareTotal));
  const counts = ideal.map((share) => 1 + Math.floor(share));
  const rest = leaves - counts.reduce((sum, count) => sum + count, 0);
  ideal
    .map((share, i) => ({ i, remainder: share - Math.floor(share) }))
    .sort((a, b) => b.remainder - a.remainder || a.i - b.i)
    .slice(0, rest)
    .forEach(({ i }) => (counts[i] = (counts[i] ?? 0) + 1));
  let lo = 0;
  return counts.map((count) => ({ lo, hi: (lo += count) }));
}
