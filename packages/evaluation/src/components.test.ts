import assert from 'node:assert/strict';
import { Failure } from '@lvnet/core';
import { largestComponent } from './components.js';

describe('largestComponent', () => {
  it('keeps the largest, and does not join ends of neighbouring rows', () => {
    const mask = Uint8Array.of(0, 0, 7, 1, 0, 0, 0, 0, 1, 1, 0, 0);
    // [4, 3, 1]: rows 0011, 0000, 1100; as one line the first two touch nothing of the last.
    assert.deepEqual([...largestComponent(mask, [4, 3, 1])], [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    const wrapped = Uint8Array.of(0, 0, 1, 1, 0, 0, 0, 1, 1);
    assert.deepEqual([...largestComponent(wrapped, [3, 3, 1])], [0, 0, 0, 0, 0, 0, 0, 1, 1]);
  });

  it('joins corners only with 26 neighbours', () => {
    const corners = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 1);
    assert.deepEqual([...largestComponent(corners, [2, 2, 2])], [1, 0, 0, 0, 0, 0, 0, 0]);
    assert.deepEqual([...largestComponent(corners, [2, 2, 2], 26)], [...corners]);
  });

  it('of an empty mask is empty', () => {
    assert.deepEqual([...largestComponent(new Uint8Array(6), [1, 2, 3])], [0, 0, 0, 0, 0, 0]);
  });

  it('refuses a mask of another size', () => {
    const work = () => largestComponent(new Uint8Array(5), [1, 2, 3]);
    assert.throws(work, (error) => error instanceof Failure && error.code === 'VOLUME_SHAPE_MISMATCH');
  });
});
