import type { Retry } from '@lvnet/exchange';
import type { ShardSummary } from './vector-layout.js';

export type Judgement =
  | { kind: 'good' }
  /** This shard's loss cannot be believed yet: let another member compute it. */
  | { kind: 'again'; shard: number; loss: number }
  /** Computed again, it is the same: its samples are to blame. */
  | { kind: 'bad'; shard: number; loss: number };

/** So many losses must be known before one of them can be a jump. */
const enoughLosses = 16;
/** A jump is beyond whatever a hard sample or a high learning rate does: far off the median of the last losses. */
const jumpFactor = 50;

/**
 * Judges the sum of an attempt: a pure function of what all members have alike (the reduced vector, the
 * checkpointed losses, what the view says of earlier attempts), so that all commit it or all discard it.
 */
export function judge(
  summaries: readonly ShardSummary[],
  lossHistory: readonly number[],
  retry: Retry | null,
  attempt: number,
): Judgement {
  const limit = jumpLimit(lossHistory);
  const shard = summaries.findIndex(({ samples, total }) => samples > 0 && !(total <= limit));
  const loss = summaries[shard]?.total;
  if (loss === undefined) return { kind: 'good' };
  const before = retry?.barred.filter((item) => item.shard === shard && item.attempt < attempt) ?? [];
  return { kind: before.some((item) => item.loss === loss) ? 'bad' : 'again', shard, loss };
}

/** Losses above this are a jump. */
function jumpLimit(lossHistory: readonly number[]): number {
  if (lossHistory.length < enoughLosses) return Number.POSITIVE_INFINITY;
  const sorted = [...lossHistory].sort((a, b) => a - b);
  return jumpFactor * (sorted[sorted.length >> 1] ?? Number.POSITIVE_INFINITY);
}
