import { meanOver } from './grid.js';

/** Intensities from `low` up to, not including, `high`. */
export interface IntensityWindow {
  low: number;
  high: number;
}

interface Labelled {
  image: Float32Array;
  label: Uint8Array;
}

const binCount = 80;

/**
 * The window with the highest mean Dice over the cases, by trying every pair of 81 bounds, evenly spread over
 * the intensities that occur in the foreground.
 */
export function bestWindow(cases: readonly Labelled[]): IntensityWindow {
  const bounds = intensityBounds(cases);
  const sums = cases.map((item) => cumulated(item, bounds));
  let best = { from: 0, to: binCount, dice: -1 };
  for (let from = 0; from < binCount; from++) {
    for (let to = from + 1; to <= binCount; to++) {
      const dice = meanOver(sums, (sum) => windowDice(sum, from, to));
      if (dice > best.dice) best = { from, to, dice };
    }
  }
  return { low: bounds[best.from] ?? 0, high: bounds[best.to] ?? 0 };
}

export function withinWindow(image: Float32Array, { low, high }: IntensityWindow): Uint8Array {
  const mask = new Uint8Array(image.length);
  for (let i = 0; i < image.length; i++) {
    const value = image[i] ?? NaN;
    mask[i] = value >= low && value < high ? 1 : 0;
  }
  return mask;
}

/** Bounds of the bins; the last lies just above the highest intensity, since windows leave out their end. */
function intensityBounds(cases: readonly Labelled[]): Float64Array {
  let [low, high] = [Infinity, -Infinity];
  for (const { image, label } of cases) {
    for (let i = 0; i < label.length; i++) {
      if (label[i] === 0) continue;
      low = Math.min(low, image[i] ?? low);
      high = Math.max(high, image[i] ?? high);
    }
  }
  if (low > high) [low, high] = [0, 0];
  const width = Math.max((high - low) * (1 + 1e-6), 1e-6) / binCount;
  return Float64Array.from({ length: binCount + 1 }, (_, bin) => low + bin * width);
}

/** Voxels below each bound: all of them, and those of the foreground. */
interface Cumulated {
  all: Float64Array;
  foreground: Float64Array;
}

function cumulated({ image, label }: Labelled, bounds: Float64Array): Cumulated {
  const all = new Float64Array(binCount + 2);
  const foreground = new Float64Array(binCount + 2);
  const low = bounds[0] ?? 0;
  const width = ((bounds[binCount] ?? 0) - low) / binCount;
  for (let i = 0; i < image.length; i++) {
    const bin = Math.min(binCount, Math.max(-1, Math.floor(((image[i] ?? 0) - low) / width))) + 1;
    all[bin] = (all[bin] ?? 0) + 1;
    if (label[i] !== 0) foreground[bin] = (foreground[bin] ?? 0) + 1;
  }
  for (const counts of [all, foreground])
    for (let bin = 1; bin < counts.length; bin++) counts[bin] = (counts[bin] ?? 0) + (counts[bin - 1] ?? 0);
  return { all, foreground };
}

function windowDice({ all, foreground }: Cumulated, from: number, to: number): number {
  const hit = (foreground[to] ?? 0) - (foreground[from] ?? 0);
  const chosen = (all[to] ?? 0) - (all[from] ?? 0);
  const total = foreground[foreground.length - 1] ?? 0;
  return chosen + total === 0 ? 0 : (2 * hit) / (chosen + total);
}
