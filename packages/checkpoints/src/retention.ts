/**
 * Which checkpoints may go: all but the newest `keep` (never fewer than two, the last of which may be
 * damaged) and those that something still refers to.
 *
 * @param steps steps of complete checkpoints
 */
export function planRetention(
  steps: readonly number[],
  { keep, referenced }: { keep: number; referenced: readonly number[] },
): number[] {
  const kept = new Set([...referenced, ...[...steps].sort((a, b) => b - a).slice(0, Math.max(2, keep))]);
  return steps.filter((step) => !kept.has(step)).sort((a, b) => a - b);
}
