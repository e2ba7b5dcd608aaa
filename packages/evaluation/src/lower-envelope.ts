/** Scratch space for lines of up to `length` places. */
export interface EnvelopeScratch {
  sites: Int32Array;
  bounds: Float64Array;
}

export const envelopeScratch = (length: number): EnvelopeScratch => ({
  sites: new Int32Array(length),
  bounds: new Float64Array(length + 1),
});

/**
 * For every place i of a line, the k that minimises heights[k] + (spacing (i - k))^2, or -1 when no height is
 * finite. Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled Functions" (2012), algorithm 1; linear time.
 *
 * @param heights not negative; Infinity where there is no parabola
 * @param nearest the answer, written here
 */
export function nearestParabola(
  heights: Float64Array,
  length: number,
  spacing: number,
  nearest: Int32Array,
  scratch: EnvelopeScratch,
): void {
  const { sites, bounds } = scratch;
  const count = buildEnvelope(heights, length, spacing * spacing, scratch);
  if (count === 0) {
    nearest.fill(-1, 0, length);
    return;
  }
  for (let i = 0, k = 0; i < length; i++) {
    while (k + 1 < count && (bounds[k + 1] ?? 0) < i) k++;
    nearest[i] = sites[k] ?? -1;
  }
}

/** The parabolas of the lower envelope from left to right; each begins at its bound. */
function buildEnvelope(
  heights: Float64Array,
  length: number,
  square: number,
  { sites, bounds }: EnvelopeScratch,
): number {
  let count = 0;
  for (let q = 0; q < length; q++) {
    const height = heights[q] ?? Infinity;
    if (height === Infinity) continue;
    let from = -Infinity;
    while (count > 0) {
      const p = sites[count - 1] ?? 0;
      from = ((height - (heights[p] ?? 0)) / (square * (q - p)) + q + p) / 2;
      if (from > (bounds[count - 1] ?? 0)) break;
      count--;
      from = -Infinity;
    }
    sites[count] = q;
    bounds[count] = from;
    count++;
  }
  return count;
}
