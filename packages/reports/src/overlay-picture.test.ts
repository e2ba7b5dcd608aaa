import assert from 'node:assert/strict';
import sharp from 'sharp';
import { drawOutlines, greyLevels, predictionColor, sliceDice, truthColor } from './outline.js';
import { overlayPicture } from './overlay-picture.js';
import { overlayOf } from './run-report.fixture.js';

describe('drawOutlines', () => {
  const grey = (width: number, height: number) => ({
    width,
    height,
    data: new Uint8Array(width * height * 3),
  });

  /** One letter per pixel: t truth, p prediction, . neither. */
  function letters(mask: readonly string[], other: readonly string[], linePx = 1): string[] {
    const [rows, columns] = [mask.length, mask[0]?.length ?? 0];
    const bits = (lines: readonly string[]) => Uint8Array.from(lines.join(''), (letter) => Number(letter));
    const masks = { truth: bits(mask), prediction: bits(other) };
    const { data } = drawOutlines(
      grey(columns, rows),
      { ...overlayOf('x'), rows, columns, ...masks },
      linePx,
    );
    return mask.map((_, y) =>
      Array.from({ length: columns }, (__, x) => {
        const green = data[(y * columns + x) * 3 + 1];
        return green === truthColor.rgb[1] ? 't' : green === predictionColor.rgb[1] ? 'p' : '.';
      }).join(''),
    );
  }

  const square = ['0000000', '0011100', '0011100', '0011100', '0000000'];
  const none = square.map(() => '0000000');

  it('runs inside the truth and outside the prediction', () => {
    assert.deepEqual(letters(square, none), ['.......', '..ttt..', '..t.t..', '..ttt..', '.......']);
    assert.deepEqual(letters(none, square), ['.ppppp.', '.p...p.', '.p...p.', '.p...p.', '.ppppp.']);
  });

  it('shows both where the masks agree', () => {
    assert.deepEqual(letters(square, square), [
      '.ppppp.',
      '.pttt p.'.replace(' ', ''),
      '.pt.tp.',
      '.ptttp.',
      '.ppppp.',
    ]);
  });

  it('closes the truth at the border of the picture', () => {
    assert.deepEqual(letters(['111', '111', '111'], ['000', '000', '000']), ['ttt', 't.t', 'ttt']);
  });
});

describe('greyLevels', () => {
  it('spreads any range over 0..255, and is black where there is nothing to see', () => {
    assert.deepEqual([...greyLevels(Float32Array.of(-200, -100, 310))], [0, 50, 255]);
    assert.deepEqual([...greyLevels(Float32Array.of(3, 3))], [0, 0]);
    assert.deepEqual([...greyLevels(Float32Array.of(NaN, 0, 1))], [0, 0, 255]);
  });
});

describe('sliceDice', () => {
  it('is twice the overlap over the sum, null without any voxel', () => {
    assert.equal(sliceDice({ truth: Uint8Array.of(1, 1, 0), prediction: Uint8Array.of(0, 2, 2) }), 0.5);
    assert.equal(sliceDice({ truth: new Uint8Array(3), prediction: new Uint8Array(3) }), null);
  });
});

describe('overlayPicture', () => {
  for (const [rows, columns, pixelAspect, width, height] of [
    [32, 48, 1, 576, 384],
    [48, 32, 1, 384, 576],
    [64, 64, 2, 384, 768],
    [512, 512, 1, 512, 512],
  ] as const) {
    it(`enlarges ${String(rows)}x${String(columns)}, aspect ${String(pixelAspect)}, and adds the legend`, async () => {
      const png = await overlayPicture({ ...overlayOf('a', rows, columns), pixelAspect });
      const found = await sharp(png).metadata();
      assert.deepEqual([found.format, found.width, found.height], ['png', width, height + 58]);
    });
  }

  it('draws both colours into the picture', async () => {
    const { data } = await sharp(await overlayPicture(overlayOf('a')))
      .raw()
      .toBuffer({ resolveWithObject: true });
    const count = ([r, g, b]: readonly [number, number, number]) => {
      let found = 0;
      for (let at = 0; at < 576 * 384 * 3; at += 3) {
        if (data[at] === r && data[at + 1] === g && data[at + 2] === b) found++;
      }
      return found;
    };
    // 16 x 16 voxels are 192 x 192 pixels; lines of 2 pixels, the truth's inside, the prediction's outside
    // and under the truth's where they cross (twice 2 x 2 pixels).
    assert.equal(count(truthColor.rgb), 4 * 190 * 2);
    assert.ok(Math.abs(count(predictionColor.rgb) - 4 * 194 * 2) <= 64);
  });
});
