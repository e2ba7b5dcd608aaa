import assert from 'node:assert/strict';
import { Failure } from '@lvnet/core';
import { blockStartsOf, predictVolume, type PredictOptions } from './predict-volume.js';

const volume = (depth: number, over: Partial<PredictOptions> = {}): PredictOptions => ({
  forward: (image) => image.slice(),
  image: Float32Array.from({ length: depth * 2 }, (_, i) => i),
  depth,
  rows: 1,
  columns: 2,
  slices: 4,
  overlapSlices: 2,
  ...over,
});

describe('predictVolume', () => {
  const starts: [depth: number, overlap: number, expected: number[]][] = [
    [4, 2, [0]],
    [3, 2, [0]],
    [5, 2, [0, 1]],
    [8, 2, [0, 2, 4]],
    [9, 0, [0, 4, 5]],
    [8, 0, [0, 4]],
  ];
  for (const [depth, overlap, expected] of starts) {
    it(`covers ${String(depth)} slices by blocks of 4 that share ${String(overlap)}`, () => {
      assert.deepEqual(blockStartsOf(depth, 4, overlap), expected);
    });
  }

  it('gives each voxel back to its place, for volumes longer and shorter than a block', async () => {
    for (const depth of [1, 2, 3, 4, 5, 7, 16, 17]) {
      const options = volume(depth);
      assert.deepEqual(await predictVolume(options), options.image);
    }
  });

  it('means over the blocks that see a slice', async () => {
    let block = 0;
    const forward = (image: Float32Array) => {
      block++;
      return new Float32Array(image.length).fill(block);
    };
    const found = await predictVolume(volume(6, { forward, columns: 1, image: new Float32Array(6) }));
    assert.deepEqual([...found], [1, 1, 1.5, 1.5, 2, 2]);
  });

  it('continues a short volume by its first and last slice', async () => {
    const seen: number[][] = [];
    const forward = (image: Float32Array) => {
      seen.push([...image]);
      return image;
    };
    await predictVolume(volume(2, { forward, columns: 1, image: Float32Array.of(5, 6) }));
    assert.deepEqual(seen, [[5, 5, 6, 6]]);
  });

  it('lets other work run between the blocks', async () => {
    let [turns, running] = [0, true];
    const turn = () => {
      turns++;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    await predictVolume(volume(20));
    running = false;
    assert.ok(turns >= blockStartsOf(20, 4, 2).length - 1, `${String(turns)} turns`);
  });

  it('stops when cancelled and refuses sizes that do not fit', async () => {
    const fails = (options: PredictOptions, code: string) =>
      assert.rejects(predictVolume(options), (error) => error instanceof Failure && error.code === code);
    await fails(volume(8, { signal: AbortSignal.abort() }), 'CANCELLED');
    await fails(volume(8, { image: new Float32Array(3) }), 'SHAPE_MISMATCH');
    await fails(volume(8, { forward: () => new Float32Array(1) }), 'SHAPE_MISMATCH');
  });
});
