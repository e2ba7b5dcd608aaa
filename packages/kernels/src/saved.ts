import type { IrbShape } from './kernel-set.js';

/** Bytes of hidden tensors that a network's blocks may keep, where nothing else is asked for. */
export const defaultKeepBytes = 64 * 2 ** 20;

/** Sixteen channels lie side by side, and lines of so many floats begin at aligned addresses. */
const lane = 16;
const whole = (floats: number): number => Math.ceil(floats / lane) * lane;

/** Floats of a block's hidden tensor. */
export const irbHiddenFloats = ({ n, d, h, w, expanded }: IrbShape): number =>
  n * d * h * w * whole(expanded);

/**
 * Floats that the native kernels' forward leaves to backward, without the hidden tensor: room to align, the
 * moments of x with the expansion's share of them (float64), the projection.
 */
export function irbSavedFloats({ n, d, h, w, c, expanded }: IrbShape): number {
  return lane + whole(2 * (c * c + c + expanded * c)) + whole(n * d * h * w * c);
}
