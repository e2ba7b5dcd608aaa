/** Per output position: the first input position and the weights from there on. */
interface AxisWeights {
  first: Int32Array;
  count: Int32Array;
  /** Where the weights of each output position begin in `weights`. */
  offset: Int32Array;
  weights: Float64Array;
}

/** Changes slices [rows, columns] of one size to another; the result is the resampler's own, valid until the next call. */
export type SliceResampler = (slice: Float64Array) => Float64Array;

/**
 * In-plane resampling, each axis on its own: mean over the covered area when it shrinks (so nothing
 * aliases), linear between pixel centres when it grows, unchanged where sizes are equal. Float64
 * sums in a fixed order of plain operations: the same bits on every machine.
 */
export function sliceResampler(
  from: { rows: number; columns: number },
  to: { rows: number; columns: number },
): SliceResampler {
  const across = axisWeights(from.columns, to.columns);
  const down = axisWeights(from.rows, to.rows);
  const narrowed = new Float64Array(from.rows * to.columns);
  const result = new Float64Array(to.rows * to.columns);
  return (slice) => {
    resampleColumns(slice, from.columns, across, narrowed, from.rows);
    resampleRows(narrowed, to.columns, down, result);
    return result;
  };
}

function axisWeights(from: number, to: number): AxisWeights {
  const positions = Array.from({ length: to }, (_, i) =>
    from > to ? areaTaps(i, from, to) : linearTaps(i, from, to),
  );
  const count = Int32Array.from(positions, ({ weights }) => weights.length);
  const offset = new Int32Array(to);
  for (let i = 1; i < to; i++) offset[i] = (offset[i - 1] ?? 0) + (count[i - 1] ?? 0);
  return {
    first: Int32Array.from(positions, ({ first }) => first),
    count,
    offset,
    weights: Float64Array.from(positions.flatMap(({ weights }) => weights)),
  };
}

function areaTaps(i: number, from: number, to: number): { first: number; weights: number[] } {
  // In units of 1/to of an input pixel all borders are whole numbers: no rounding decides what is covered.
  const [begin, end] = [i * from, (i + 1) * from];
  const first = Math.floor(begin / to);
  const weights: number[] = [];
  for (let position = first; position * to < end; position++) {
    const covered = Math.min(end, (position + 1) * to) - Math.max(begin, position * to);
    weights.push(covered / from);
  }
  return { first, weights };
}

function linearTaps(i: number, from: number, to: number): { first: number; weights: number[] } {
  const centre = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
  const first = Math.floor(centre);
  const part = centre - first;
  return part === 0 ? { first, weights: [1] } : { first, weights: [1 - part, part] };
}

function resampleColumns(
  source: Float64Array,
  width: number,
  { first, count, offset, weights }: AxisWeights,
  target: Float64Array,
  rows: number,
): void {
  const outWidth = first.length;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < outWidth; column++) {
      const at = row * width + (first[column] ?? 0);
      const from = offset[column] ?? 0;
      const taps = count[column] ?? 0;
      let sum = 0;
      for (let k = 0; k < taps; k++) sum += (source[at + k] ?? 0) * (weights[from + k] ?? 0);
      target[row * outWidth + column] = sum;
    }
  }
}

function resampleRows(
  source: Float64Array,
  width: number,
  { first, count, offset, weights }: AxisWeights,
  target: Float64Array,
): void {
  target.fill(0);
  for (let row = 0; row < first.length; row++) {
    const taps = count[row] ?? 0;
    for (let k = 0; k < taps; k++) {
      const weight = weights[(offset[row] ?? 0) + k] ?? 0;
      const at = ((first[row] ?? 0) + k) * width;
      for (let column = 0; column < width; column++) {
        const index = row * width + column;
        target[index] = (target[index] ?? 0) + (source[at + column] ?? 0) * weight;
      }
    }
  }
}
