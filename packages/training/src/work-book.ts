import { retryIn, shardsOf, type View } from '@lvnet/exchange';

/** A shard that this member computed, for the sum or for a check alone. */
export interface Computation {
  step: number;
  shard: number;
  seconds: number;
  isCheck: boolean;
}

/** Work of a step that others did as well (repeated), or that led nowhere (wasted). */
export interface Waste {
  outcome: 'repeated' | 'wasted';
  /**
   * check: computed to compare; speculated: in place of a member that seemed slow; discarded: of an attempt that was
   * not used; evicted: this member lost its seat; failed: the step ended for another reason.
   */
  cause: 'check' | 'speculated' | 'discarded' | 'evicted' | 'failed';
  shards: number;
  seconds: number;
}

/** What this member computes, and what becomes of it. */
export interface WorkBook {
  computed(computation: Computation): void;
  /** The step is committed with this view: how many shards of its sum are this member's, and what else it did. */
  committed(step: number, view: View): { shards: number; waste: Waste[] };
  /** The step ended here without a result. */
  lost(cause: 'evicted' | 'failed'): Waste[];
}

export function createWorkBook(worker: string, shards: number): WorkBook {
  let done: Computation[] = [];
  const take = (step?: number): Computation[] => {
    const taken = done.filter((one) => step === undefined || one.step === step);
    done = [];
    return taken;
  };
  return {
    computed: (computation) => void done.push(computation),
    committed(step, view) {
      const taken = take(step);
      const own = new Set(shardsOf(view, worker, step, shards));
      const barred = retryIn(view, step)?.barred.filter((one) => one.worker === worker) ?? [];
      const wasteOf = (
        { shard, isCheck }: Computation,
        i: number,
      ): Pick<Waste, 'outcome' | 'cause'> | null => {
        if (isCheck) return { outcome: 'repeated', cause: 'check' };
        const isDoneAgain = taken.some((later, j) => j > i && later.shard === shard && !later.isCheck);
        const isBarred = !own.has(shard) && barred.some((one) => one.shard === shard);
        if (isDoneAgain || isBarred) return { outcome: 'wasted', cause: 'discarded' };
        return own.has(shard) ? null : { outcome: 'repeated', cause: 'speculated' };
      };
      const judged = taken.map((one, i) => ({ ...one, waste: wasteOf(one, i) }));
      return {
        shards: judged.filter(({ waste }) => waste === null).length,
        waste: sumUp(judged.flatMap(({ waste, seconds }) => (waste === null ? [] : [{ ...waste, seconds }]))),
      };
    },
    lost: (cause) => sumUp(take().map(({ seconds }) => ({ outcome: 'wasted', cause, seconds }))),
  };
}

/** One for each cause. */
function sumUp(all: readonly Omit<Waste, 'shards'>[]): Waste[] {
  const byCause = new Map<string, Waste>();
  for (const { seconds, ...one } of all) {
    const sum = byCause.get(one.cause) ?? { ...one, shards: 0, seconds: 0 };
    byCause.set(one.cause, { ...sum, shards: sum.shards + 1, seconds: sum.seconds + seconds });
  }
  return [...byCause.values()];
}
