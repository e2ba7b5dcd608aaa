import type { Outcome } from './outcome.js';

/** The schedule without the faults that a violation does not need. */
export async function shrink<S extends { seed: number; faults: readonly { kind: string }[] }>(
  schedule: S,
  play: (schedule: S, isTraced: boolean) => Promise<Outcome<S>>,
): Promise<S> {
  let best = schedule;
  for (let at = 0; at < best.faults.length;) {
    const fewer = { ...best, faults: best.faults.filter((_, i) => i !== at) };
    const { violations } = await play(fewer, false);
    if (violations.length > 0) best = fewer;
    else at++;
  }
  return best;
}
