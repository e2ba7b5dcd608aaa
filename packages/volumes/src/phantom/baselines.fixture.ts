/** Simple segmentation methods, against which the phantom is measured. */
export interface Grid {
  /** [depth, rows, columns]. */
  hu: Float32Array;
  liver: Uint8Array;
}

export interface Window {
  low: number;
  high: number;
}

type Shape = readonly [number, number, number];

export const meanOf = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

export function dice(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [both, sum] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const [p, q] = [a[i] ?? 0, b[i] ?? 0];
    both += p * q;
    sum += p + q;
  }
  return sum === 0 ? 0 : (2 * both) / sum;
}

const [binHu, binCount, lowestHu] = [5, 82, -205];

/** The window whose mean Dice over all volumes is highest, by trying every one in steps of 5 HU. */
export function bestWindow(
  volumes: readonly Float32Array[],
  masks: readonly Uint8Array[],
): Window & { dice: number } {
  const sums = volumes.map((volume, i) => cumulated(volume, masks[i] ?? new Uint8Array(0)));
  let best = { low: 0, high: 0, dice: 0 };
  for (let from = 0; from < binCount; from++) {
    for (let to = from + 1; to <= binCount; to++) {
      const reached = meanOf(
        sums.map(({ all, liver }) => {
          const hit = (liver[to] ?? 0) - (liver[from] ?? 0);
          return (2 * hit) / ((all[to] ?? 0) - (all[from] ?? 0) + (liver[binCount] ?? 0));
        }),
      );
      if (reached > best.dice)
        best = { low: lowestHu + binHu * from, high: lowestHu + binHu * to, dice: reached };
    }
  }
  return best;
}

function cumulated(volume: Float32Array, mask: Uint8Array): { all: Float64Array; liver: Float64Array } {
  const all = new Float64Array(binCount + 1);
  const liver = new Float64Array(binCount + 1);
  for (let i = 0; i < volume.length; i++) {
    const bin = Math.min(binCount - 1, Math.max(0, Math.floor(((volume[i] ?? 0) - lowestHu) / binHu))) + 1;
    all[bin] = (all[bin] ?? 0) + 1;
    liver[bin] = (liver[bin] ?? 0) + (mask[i] ?? 0);
  }
  for (let bin = 1; bin <= binCount; bin++) {
    all[bin] = (all[bin] ?? 0) + (all[bin - 1] ?? 0);
    liver[bin] = (liver[bin] ?? 0) + (liver[bin - 1] ?? 0);
  }
  return { all, liver };
}

export const within = (volume: Float32Array, { low, high }: Window) =>
  Uint8Array.from(volume, (value) => Number(value >= low && value < high));

/** Mean over a cube of 2 * radius + 1 voxels, cut off at the borders. */
export function smoothed(volume: Float32Array, [depth, rows, columns]: Shape, radius: number): Float32Array {
  const axes = [
    { stride: 1, extent: columns },
    { stride: columns, extent: rows },
    { stride: columns * rows, extent: depth },
  ];
  return axes.reduce((source, { stride, extent }) => {
    return source.map((_, i) => {
      const at = Math.floor(i / stride) % extent;
      const [from, to] = [Math.max(0, at - radius), Math.min(extent - 1, at + radius)];
      let sum = 0;
      for (let k = from; k <= to; k++) sum += source[i + (k - at) * stride] ?? 0;
      return sum / (to - from + 1);
    });
  }, volume);
}

/** The largest set of voxels that hang together by their faces. */
export function largestComponent(mask: Uint8Array, [, rows, columns]: Shape): Uint8Array {
  const seen = new Uint8Array(mask.length);
  let largest: number[] = [];
  for (let start = 0; start < mask.length; start++) {
    if (mask[start] === 0 || seen[start] === 1) continue;
    const component = [start];
    seen[start] = 1;
    for (let next = 0; next < component.length; next++) {
      for (const neighbour of neighboursOf(component[next] ?? 0, rows, columns)) {
        if (mask[neighbour] !== 1 || seen[neighbour] === 1) continue;
        seen[neighbour] = 1;
        component.push(neighbour);
      }
    }
    if (component.length > largest.length) largest = component;
  }
  const result = new Uint8Array(mask.length);
  for (const voxel of largest) result[voxel] = 1;
  return result;
}

function neighboursOf(voxel: number, rows: number, columns: number): number[] {
  const column = voxel % columns;
  const row = Math.floor(voxel / columns) % rows;
  const area = rows * columns;
  const found = [voxel - area, voxel + area];
  if (column > 0) found.push(voxel - 1);
  if (column < columns - 1) found.push(voxel + 1);
  if (row > 0) found.push(voxel - columns);
  if (row < rows - 1) found.push(voxel + columns);
  return found;
}
