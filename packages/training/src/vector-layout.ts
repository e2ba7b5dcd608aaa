/**
 * One vector per shard travels through the tree:
 *   [ gradient | batch-norm statistics | slot of shard 0 | ... | slot of shard M-1 ]
 * Shard m fills slot m only, so the reduced vector shows every shard. The sum over shards of the first
 * two parts is weighted: the gradient by samples, the statistics once per non-empty shard.
 */
export interface VectorLayout {
  gradientLength: number;
  statisticsLength: number;
  shards: number;
  headNames: readonly string[];
  slotLength: number;
  /** Float32 elements of one vector. */
  length: number;
}

export interface ShardSummary {
  samples: number;
  finite: boolean;
  /** Euclidean norm of the shard's mean gradient. */
  gradientNorm: number;
  /** Mean losses over the shard's samples: total, then one per head name. */
  total: number;
  heads: readonly number[];
}

const fixedSlotFields = 4; // samples, finite, gradient norm, total loss

export function vectorLayout(
  gradientLength: number,
  statisticsLength: number,
  shards: number,
  headNames: readonly string[],
): VectorLayout {
  const slotLength = fixedSlotFields + headNames.length;
  const length = gradientLength + statisticsLength + shards * slotLength;
  return { gradientLength, statisticsLength, shards, headNames, slotLength, length };
}

/** Fills a zeroed vector with what one shard found; the gradient may lie in its place there already. */
export function writeShard(
  layout: VectorLayout,
  shard: number,
  summary: ShardSummary,
  gradient: Float32Array,
  statistics: Float32Array,
  out: Float32Array,
): void {
  const isThere = gradient.buffer === out.buffer && gradient.byteOffset === out.byteOffset;
  if (!isThere || summary.samples !== 1)
    for (let i = 0; i < gradient.length; i++) out[i] = (gradient[i] ?? 0) * summary.samples;
  out.set(statistics, layout.gradientLength);
  const slot = slotOf(layout, shard, out);
  slot[0] = summary.samples;
  slot[1] = summary.finite ? 1 : 0;
  slot[2] = summary.gradientNorm;
  slot[3] = summary.total;
  slot.set(summary.heads, fixedSlotFields);
}

export function setTotalLoss(layout: VectorLayout, shard: number, vector: Float32Array, loss: number): void {
  slotOf(layout, shard, vector)[3] = loss;
}

export function readSummaries(layout: VectorLayout, reduced: Float32Array): ShardSummary[] {
  return Array.from({ length: layout.shards }, (_, shard) => {
    const slot = slotOf(layout, shard, reduced);
    return {
      samples: slot[0] ?? 0,
      finite: slot[1] === 1,
      gradientNorm: slot[2] ?? 0,
      total: slot[3] ?? 0,
      heads: [...slot.subarray(fixedSlotFields)],
    };
  });
}

/** Means over the samples of the whole batch, in a fixed order. */
export function meanLosses(
  layout: VectorLayout,
  summaries: readonly ShardSummary[],
): { total: number; heads: Record<string, number> } {
  const samples = summaries.reduce((sum, shard) => sum + shard.samples, 0);
  const mean = (value: (shard: ShardSummary) => number) =>
    summaries.reduce((sum, shard) => sum + (shard.samples === 0 ? 0 : value(shard) * shard.samples), 0) /
    samples;
  const heads = Object.fromEntries(
    layout.headNames.map((name, i) => [name, mean((shard) => shard.heads[i] ?? 0)]),
  );
  return { total: mean((shard) => shard.total), heads };
}

function slotOf(layout: VectorLayout, shard: number, vector: Float32Array): Float32Array {
  const start = layout.gradientLength + layout.statisticsLength + shard * layout.slotLength;
  return vector.subarray(start, start + layout.slotLength);
}
