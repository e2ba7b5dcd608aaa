import { checkGrids, diceOf, meanOver, type GridShape, type PreparedGrid } from './grid.js';

const levels = Array.from({ length: 19 }, (_, i) => (i + 1) / 20);

/**
 * Foreground = where enough training masks have it. All masks are brought to the first one's shape by nearest
 * neighbour; the level is the one with the highest mean Dice on the training cases. Returns the mean Dice of the
 * test cases.
 */
export function meanMaskBaseline(train: readonly PreparedGrid[], test: readonly PreparedGrid[]): number {
  checkGrids(train, test);
  const shape = train[0]?.shape ?? [0, 0, 0];
  const masks = train.map(({ label, shape: from }) => resampledMask(label, from, shape));
  const mean = meanMask(masks);
  const candidates = levels.map((level) => {
    const mask = atLeast(mean, level);
    return { mask, dice: meanOver(masks, (label) => diceOf(mask, label)) };
  });
  const { mask } = candidates.reduce((a, b) => (b.dice > a.dice ? b : a));
  return meanOver(test, (grid) => diceOf(resampledMask(mask, shape, grid.shape), grid.label));
}

function meanMask(masks: readonly Uint8Array[]): Float32Array {
  const mean = new Float32Array(masks[0]?.length ?? 0);
  for (const mask of masks)
    for (let i = 0; i < mean.length; i++) mean[i] = (mean[i] ?? 0) + (mask[i] === 0 ? 0 : 1);
  return mean.map((count) => count / masks.length);
}

/** Half a ten-thousandth of slack, since a mean in float32 may lie a hair below its level. */
function atLeast(mean: Float32Array, level: number): Uint8Array {
  const mask = new Uint8Array(mean.length);
  for (let i = 0; i < mean.length; i++) mask[i] = (mean[i] ?? 0) >= level - 5e-5 ? 1 : 0;
  return mask;
}

/** Nearest neighbour: voxel centres are matched; the same shape is the same array. */
export function resampledMask(mask: Uint8Array, from: GridShape, to: GridShape): Uint8Array {
  if (from.every((extent, axis) => extent === to[axis])) return mask;
  const [zs, ys, xs] = [
    sourceIndices(from[0], to[0]),
    sourceIndices(from[1], to[1]),
    sourceIndices(from[2], to[2]),
  ];
  const result = new Uint8Array(to[0] * to[1] * to[2]);
  let target = 0;
  for (const z of zs) {
    for (const y of ys) {
      const row = (z * from[1] + y) * from[2];
      for (const x of xs) result[target++] = mask[row + x] ?? 0;
    }
  }
  return result;
}

const sourceIndices = (from: number, to: number): number[] =>
  Array.from({ length: to }, (_, i) => Math.min(from - 1, Math.floor(((i + 0.5) * from) / to)));
