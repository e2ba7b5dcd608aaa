import { Failure } from '@lvnet/core';
import type { RunOverlay } from './run-report-input.js';

/** 8-bit RGB pixels, row-major. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8Array;
}

export const truthColor = { name: '#2fd06f', rgb: [47, 208, 111] } as const;
export const predictionColor = { name: '#ff9330', rgb: [255, 147, 48] } as const;

/**
 * Both masks drawn on a grey image: the truth's line runs just inside its mask, the prediction's just
 * outside, so that both stay visible where they agree.
 *
 * @param grey the slice, already scaled to the picture's size
 */
export function drawOutlines(grey: Pixels, overlay: RunOverlay, linePx = 2): Pixels {
  const { width, height } = grey;
  const truth = scaleMask(overlay.truth, overlay, width, height);
  const prediction = scaleMask(overlay.prediction, overlay, width, height);
  const data = grey.data.slice();
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const isTruth = truth[at] === 1 && meets(truth, 0, x, y, width, height, linePx);
      const isPrediction = prediction[at] === 0 && meets(prediction, 1, x, y, width, height, linePx);
      if (isTruth) data.set(truthColor.rgb, at * 3);
      else if (isPrediction) data.set(predictionColor.rgb, at * 3);
    }
  }
  return { width, height, data };
}

/** Grey levels 0..255 between the 0.5 and 99.5 percentiles; a constant slice is black. */
export function greyLevels(image: Float32Array): Uint8Array {
  const sorted = Float32Array.from(image.filter(Number.isFinite)).sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  const [low, high] = [at(0.005), at(0.995)];
  const scale = high > low ? 255 / (high - low) : 0;
  return Uint8Array.from(image, (value) =>
    Number.isFinite(value) ? Math.min(255, Math.max(0, Math.round((value - low) * scale))) : 0,
  );
}

/** Dice of the slice; null when neither mask has a voxel. */
export function sliceDice({ truth, prediction }: Pick<RunOverlay, 'truth' | 'prediction'>): number | null {
  let [both, sum] = [0, 0];
  for (const [index, value] of truth.entries()) {
    const [a, b] = [value !== 0, prediction[index] !== 0];
    if (a && b) both++;
    sum += Number(a) + Number(b);
  }
  return sum === 0 ? null : (2 * both) / sum;
}

/** @throws Failure('SHAPE_MISMATCH') when image, truth and prediction are not all rows x columns */
export function checkOverlay({ case: id, rows, columns, image, truth, prediction }: RunOverlay): void {
  const found = [image.length, truth.length, prediction.length];
  if (rows > 0 && columns > 0 && found.every((length) => length === rows * columns)) return;
  throw new Failure(
    'SHAPE_MISMATCH',
    { case: id, expected: [rows, columns], found },
    {
      message: `The slice of case ${id} is ${String(rows)}x${String(columns)}, its parts have ${found.join(', ')} values.`,
    },
  );
}

function scaleMask(
  mask: Uint8Array,
  { rows, columns }: Pick<RunOverlay, 'rows' | 'columns'>,
  width: number,
  height: number,
): Uint8Array {
  const scaled = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const from = Math.floor((y * rows) / height) * columns;
    for (let x = 0; x < width; x++) {
      scaled[y * width + x] = mask[from + Math.floor((x * columns) / width)] === 0 ? 0 : 1;
    }
  }
  return scaled;
}

/** Whether a pixel of this value lies within `reach` pixels, or outside the picture for value 0. */
function meets(
  mask: Uint8Array,
  value: 0 | 1,
  x: number,
  y: number,
  width: number,
  height: number,
  reach: number,
): boolean {
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      const [nx, ny] = [x + dx, y + dy];
      const isInside = nx >= 0 && ny >= 0 && nx < width && ny < height;
      if (isInside ? mask[ny * width + nx] === value : value === 0) return true;
    }
  }
  return false;
}
