import assert from 'node:assert/strict';
import { createLeafTimes } from './leaf-times.js';

const limitAfter = (...seconds: number[]): number => {
  const times = createLeafTimes(600);
  for (const each of seconds) times.add(each);
  return times.limitSeconds();
};
const repeated = (count: number, seconds: number) => Array.from({ length: count }, () => seconds);

describe('how long a leaf may take', () => {
  it('is not known before the third', () => {
    for (const seconds of [[], [4], [0, 0]]) assert.equal(limitAfter(...seconds), 600);
  });

  it('is three times the longest while there are few, whose median says little', () => {
    // With a deviation of three leaves it would be 2.4 s, which a busy machine reaches.
    assert.equal(limitAfter(2, 1.2, 1.15), 6);
    assert.equal(limitAfter(...repeated(6, 1), 3), 9);
  });

  it('follows from median and deviation once there are enough', () => {
    assert.equal(limitAfter(...repeated(8, 3)), 6); // twice the median
    assert.equal(limitAfter(3, 3, 3, 3, 4, 4, 4, 4), 8.5); // 3.5 + 10 * 0.5
    assert.equal(limitAfter(...repeated(40, 9), ...repeated(32, 3)), 6); // of the last 32
  });

  it('adapts to other shards than before', () => {
    const times = createLeafTimes(600);
    for (const seconds of [1, 1.1, 0.9, 1]) times.add(seconds);
    assert.equal(times.medianSeconds(), 1);
    for (let i = 0; i < 32; i++) times.add(i % 2 === 0 ? 30 : 40);
    assert.equal(times.medianSeconds(), 35);
    assert.equal(times.limitSeconds(), 85, 'median + 10 deviations of 5');
  });

  it('is never below two seconds', () => {
    assert.equal(limitAfter(0.01, 0.01, 0.01), 2);
    assert.equal(limitAfter(...repeated(20, 0.01)), 2);
  });
});
