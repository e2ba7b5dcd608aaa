import type { GridShape } from './grid.js';

/** Mean over a cube of 2 * radius + 1 voxels, cut off at the borders. Returns a new array. */
export function smoothed(
  image: Float32Array,
  [depth, rows, columns]: GridShape,
  radius: number,
): Float32Array {
  const axes = [
    { stride: 1, extent: columns },
    { stride: columns, extent: rows },
    { stride: columns * rows, extent: depth },
  ];
  return axes.reduce((source, axis) => meanAlong(source, axis, radius), image);
}

interface GridAxis {
  stride: number;
  extent: number;
}

function meanAlong(source: Float32Array, { stride, extent }: GridAxis, radius: number): Float32Array {
  const result = new Float32Array(source.length);
  const sums = new Float64Array(extent + 1);
  for (let line = 0; line < source.length / extent; line++) {
    const start = Math.floor(line / stride) * stride * extent + (line % stride);
    for (let i = 0; i < extent; i++) sums[i + 1] = (sums[i] ?? 0) + (source[start + i * stride] ?? 0);
    for (let i = 0; i < extent; i++) {
      const [from, to] = [Math.max(0, i - radius), Math.min(extent, i + radius + 1)];
      result[start + i * stride] = ((sums[to] ?? 0) - (sums[from] ?? 0)) / (to - from);
    }
  }
  return result;
}
