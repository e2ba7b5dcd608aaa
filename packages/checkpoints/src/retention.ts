export interface Keeping {
  keep: number;
  /** Steps whose own checkpoint must stay: those still to be validated, the best one. */
  referenced: readonly number[];
  /** Steps that must stay to be done again, as other runs were made from them. */
  replayed?: readonly number[];
}

/**
 * Which checkpoints may go: all but the newest `keep` (never fewer than two, the last of which may be
 * damaged) and those that something still refers to.
 *
 * @param steps steps of complete checkpoints
 */
export function planRetention(
  steps: readonly number[],
  { keep, referenced, replayed = [] }: Keeping,
): number[] {
  const newestFirst = [...steps].sort((a, b) => b - a);
  const kept = new Set([
    ...newestFirst.slice(0, Math.max(2, keep)),
    ...referenced,
    ...replayed.map((step) => newestFirst.find((found) => found <= step)),
  ]);
  return steps.filter((step) => !kept.has(step)).sort((a, b) => a - b);
}
