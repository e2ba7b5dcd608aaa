import type { StepRecord } from '@lvnet/checkpoints';
import { canonicalJson } from '@lvnet/core';

export interface Divergence {
  /** Steps that both runs recorded, and the last of them. */
  compared: number;
  lastStep: number | null;
  /** The first of them after which the runs are not the same. */
  step: number | null;
  /** What the records say differently there. */
  fields: string[];
}

/**
 * Where two runs part. A digest stands for all steps before it too, so the first that differs is the step that
 * made the difference, or the first that both recorded.
 *
 * @param a one record a step, in order; as is b
 */
export function firstDivergence(a: readonly StepRecord[], b: readonly StepRecord[]): Divergence {
  const others = new Map(b.map((record) => [record.step, record]));
  const pairs = a.flatMap((record): [StepRecord, StepRecord][] => {
    const other = others.get(record.step);
    return other === undefined ? [] : [[record, other]];
  });
  const found = pairs.find(([x, y]) => x.digest !== y.digest);
  const fields = ['samples', 'skipped', 'weights', 'loss', 'heads', 'lr'] as const;
  return {
    compared: pairs.length,
    lastStep: pairs.at(-1)?.[0].step ?? null,
    step: found?.[0].step ?? null,
    fields:
      found === undefined
        ? []
        : fields.filter(
            (name) => canonicalJson(found[0][name] ?? null) !== canonicalJson(found[1][name] ?? null),
          ),
  };
}
