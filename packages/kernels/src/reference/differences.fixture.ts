import assert from 'node:assert/strict';
import { numbers } from '../kernels.fixture.js';

/** The plain loops are declared on float32 arrays and compute in the precision of those given. */
export const float64 = (values: ArrayLike<number> | number): Float32Array =>
  (typeof values === 'number'
    ? new Float64Array(values)
    : Float64Array.from(values)) as unknown as Float32Array;

export const random = (length: number, seed: number, scale = 1) => float64(numbers(length, seed, scale));

export type Forward = () => Float32Array | number;

/** Sum of dy times the outputs, or the scalar itself. */
function total(output: Float32Array | number, dy: Float32Array): number {
  if (typeof output === 'number') return output;
  return output.reduce((sum, value, i) => sum + value * (dy[i] ?? 0), 0);
}

/**
 * Central differences at h = 2^-10 and h/2, combined so that the error of order h^2 cancels. What is left is
 * h^4/120 of the fifth derivative, 1e-14 of it, and the rounding of some hundred float64 sums near 1 divided by
 * h, 1e-16 * 1e3 * 2^10: below 1e-9 together for slopes near 1, where the fifth derivative is below 1e5.
 */
export function assertGradients(
  inputs: Float32Array[],
  dy: Float32Array,
  forward: Forward,
  gradients: Float32Array[],
) {
  inputs.forEach((input, which) => {
    const found = gradients[which] ?? float64(0);
    assert.equal(found.length, input.length);
    const scale = Math.max(...found.map(Math.abs), 0.1);
    for (let i = 0; i < input.length; i++) {
      const kept = input[i] ?? 0;
      const at = (value: number) => {
        input[i] = value;
        return total(forward(), dy);
      };
      const slope = (h: number) => (at(kept + h) - at(kept - h)) / (2 * h);
      const expected = (4 * slope(2 ** -11) - slope(2 ** -10)) / 3;
      input[i] = kept;
      assert.ok(
        Math.abs(expected - (found[i] ?? Number.NaN)) <= 1e-9 * scale,
        `input ${String(which)}[${String(i)}]: ${String(found[i])} for ${String(expected)}`,
      );
    }
  });
}

export const filled = (length: number, run: (into: Float32Array) => void) => {
  const values = float64(length);
  run(values);
  return values;
};
