import assert from 'node:assert/strict';
import { counterRandom } from '@lvnet/core';
import { bestWindowBaseline } from './best-window.js';
import type { GridShape, PreparedGrid } from './grid.js';
import { meanMaskBaseline, resampledMask } from './mean-mask.js';
import { smoothedWindowBaseline } from './smoothed-window.js';
import { smoothed } from './smoothing.js';

const shape: GridShape = [8, 16, 16];

/** A bright box (1) on dark ground (0), and what `intensity` makes of both. */
function boxCase(
  corner: number,
  intensity: (inside: boolean, i: number) => number,
  of = shape,
): PreparedGrid {
  const [depth, rows, columns] = of;
  const label = Uint8Array.from({ length: depth * rows * columns }, (_, i) => {
    const [x, y, z] = [i % columns, Math.floor(i / columns) % rows, Math.floor(i / (rows * columns))];
    const isInside =
      [x, y].every((at) => at >= corner && at < corner + 8) && z >= depth / 4 && z < (3 * depth) / 4;
    return isInside ? 1 : 0;
  });
  return { label, shape: of, image: Float32Array.from(label, (value, i) => intensity(value === 1, i)) };
}

const plain = (inside: boolean) => (inside ? 0.5 : -0.5);

describe('baselines', () => {
  it('solve what an intensity window solves', () => {
    const cases = [boxCase(2, plain), boxCase(5, plain)];
    assert.equal(bestWindowBaseline(cases, [boxCase(4, plain)]), 1);
  });

  it('learn from the training cases alone', () => {
    const inverted = (inside: boolean) => -plain(inside);
    assert.equal(bestWindowBaseline([boxCase(2, plain)], [boxCase(2, inverted)]), 0);
  });

  it('do not solve what intensity does not tell, unless the place does', () => {
    const blind = [boxCase(3, () => 1), boxCase(3, () => 1)];
    const found = bestWindowBaseline(blind, blind);
    // Everything is chosen: |R| is 8 * 8 * 4 of 16 * 16 * 8, an eighth, so Dice is 2/8 / (1 + 1/8).
    assert.ok(Math.abs(found - 0.25 / 1.125) < 1e-12, String(found));
    assert.equal(meanMaskBaseline(blind, blind), 1);
  });

  it('gain from smoothing and from the largest component when there is noise', () => {
    const random = counterRandom(7, 'baseline noise');
    const noisy = (inside: boolean) => plain(inside) + (random.next() - 0.5) * 2.4;
    const [train, test] = [[boxCase(2, noisy), boxCase(6, noisy)], [boxCase(4, noisy)]];
    const [window, smooth] = [bestWindowBaseline(train, test), smoothedWindowBaseline(train, test)];
    assert.ok(smooth > 0.8 && smooth > window + 0.1, `${String(window)} ${String(smooth)}`);
  });

  it('compare mean masks of different depth', () => {
    const [flat, deep] = [boxCase(3, plain), boxCase(3, plain, [16, 16, 16])];
    assert.equal(meanMaskBaseline([flat], [deep]), 1);
    assert.deepEqual(resampledMask(deep.label, deep.shape, flat.shape), flat.label);
  });

  it('give 0 for cases without foreground', () => {
    const empty: PreparedGrid = { image: new Float32Array(8), label: new Uint8Array(8), shape: [2, 2, 2] };
    for (const baseline of [bestWindowBaseline, smoothedWindowBaseline, meanMaskBaseline])
      assert.equal(baseline([empty], [empty]), 0);
  });

  it('smooth by the mean of a cube', () => {
    const image = new Float32Array(27);
    image[13] = 27;
    assert.deepEqual(
      [...smoothed(image, [3, 3, 3], 1)].filter((_, i) => i === 13 || i === 0),
      [27 / 8, 1],
    );
    assert.deepEqual([...smoothed(Float32Array.of(3, 6, 9), [1, 1, 3], 1)], [4.5, 6, 7.5]);
  });
});
