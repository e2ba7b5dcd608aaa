import { boxAround, checkPair, checkSpacing, cutPadded, type MaskPair, type Spacing } from './mask.js';
import { distancesToSites } from './surface-distance.js';
import { surfaceVoxels, type SurfaceNeighbourhood } from './surface.js';

/** In mm; all null when a mask is empty. */
export interface SurfaceMetrics {
  /** Average symmetric surface distance. */
  assdMm: number | null;
  /** Root mean square symmetric surface distance. */
  rmsdMm: number | null;
  /** Maximum symmetric surface distance. */
  mssdMm: number | null;
  /** 95th percentile of both directions' distances joined, by linear interpolation. */
  hd95Mm: number | null;
}

export interface SurfaceOptions {
  /** What makes a surface: the LiTS scorer's 18 (default), or 6 as in other tools. */
  neighbourhood?: SurfaceNeighbourhood;
  /** Mean over both directions' distances pooled (default), or the mean of the two directions' means. */
  mean?: 'pooled' | 'directed';
}

/**
 * Distances between the surfaces of two masks. Memory: some 8 bytes for each voxel of the box around both.
 *
 * @throws Failure('VOLUME_SHAPE_MISMATCH'), Failure('ARGUMENT_INVALID') for an impossible spacing
 */
export function surfaceMetrics(
  pair: MaskPair & { spacingMm: Spacing },
  { neighbourhood = 18, mean = 'pooled' }: SurfaceOptions = {},
): SurfaceMetrics {
  checkPair(pair);
  checkSpacing(pair.spacingMm);
  const directed = directedDistances(pair, neighbourhood);
  if (directed === undefined) return { assdMm: null, rmsdMm: null, mssdMm: null, hd95Mm: null };
  const joined = new Float64Array(directed[0].length + directed[1].length);
  joined.set(directed[0]);
  joined.set(directed[1], directed[0].length);
  const means = (power: 1 | 2) =>
    mean === 'pooled'
      ? meanPower(joined, power)
      : (meanPower(directed[0], power) + meanPower(directed[1], power)) / 2;
  const sorted = joined.sort();
  return {
    assdMm: means(1),
    rmsdMm: Math.sqrt(means(2)),
    mssdMm: sorted[sorted.length - 1] ?? 0,
    hd95Mm: percentile(sorted, 0.95),
  };
}

/** From the prediction's surface to the reference's, and back; undefined when a mask is empty. */
function directedDistances(
  pair: MaskPair & { spacingMm: Spacing },
  neighbourhood: SurfaceNeighbourhood,
): [Float64Array, Float64Array] | undefined {
  const box = boxAround(pair);
  if (box === undefined) return undefined;
  const [reference, prediction] = [pair.reference, pair.prediction].map((mask) => {
    const padded = cutPadded(mask, pair.shape, box);
    return { shape: padded.shape, surface: surfaceVoxels(padded, neighbourhood) };
  });
  if (reference === undefined || prediction === undefined) return undefined;
  if (reference.surface.length === 0 || prediction.surface.length === 0) return undefined;
  const { shape } = reference;
  return [
    distancesToSites(reference.surface, prediction.surface, shape, pair.spacingMm),
    distancesToSites(prediction.surface, reference.surface, shape, pair.spacingMm),
  ];
}

function meanPower(values: Float64Array, power: 1 | 2): number {
  let sum = 0;
  for (const value of values) sum += power === 1 ? value : value * value;
  return sum / values.length;
}

/** Of ascending values, by linear interpolation between the two nearest ranks. */
export function percentile(sorted: Float64Array, fraction: number): number {
  const rank = fraction * (sorted.length - 1);
  const low = Math.floor(rank);
  const [a, b] = [sorted[low] ?? 0, sorted[Math.min(low + 1, sorted.length - 1)] ?? 0];
  return a + (b - a) * (rank - low);
}
