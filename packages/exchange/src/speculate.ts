import type { Evidence } from './evidence.js';
import { activeMembers, isBarred, shardsOf, type View } from './view.js';

export interface Waiting {
  view: View;
  me: string;
  step: number;
  leaves: number;
  evidence: ReadonlyMap<string, Evidence>;
  /** Leaves that somebody already computes in another's place. */
  taken: ReadonlySet<number>;
  /** Since this member's own leaves are done. */
  waitedMs: number;
}

const leastWaitMs = 500;

/**
 * A leaf that an idle member may compute in place of somebody slow: from the end of what is still missing,
 * since the slow one works from the front; idle members choose different ones. undefined while it is too
 * early to call anybody slow. Computing a leaf twice does no harm: the bytes are the same.
 */
export function speculate(w: Waiting): number | undefined {
  const { view, me, step, leaves, evidence } = w;
  const active = activeMembers(view, step).map((member) => member.worker);
  const slowest = Math.max(0, ...active.map((worker) => evidence.get(worker)?.progress.secondsPerLeaf ?? 0));
  if (w.waitedMs < Math.max(leastWaitMs, 2_000 * slowest)) return undefined;
  const missingOf = (worker: string): number[] => {
    const shards = shardsOf(view, worker, step, leaves);
    const progress = evidence.get(worker)?.progress;
    if (progress === undefined || progress.step < step) return shards;
    return progress.step > step ? [] : shards.slice(progress.done);
  };
  const others = active.filter((worker) => worker !== me);
  const idle = [me, ...others.filter((worker) => missingOf(worker).length === 0)].sort();
  const open = others
    .flatMap((worker) => missingOf(worker).reverse())
    .filter((shard) => !w.taken.has(shard) && !isBarred(view, shard, step, me));
  return open[idle.indexOf(me)] ?? open[0];
}
