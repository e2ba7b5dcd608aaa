import { Failure } from '@lvnet/core';
import type { tf } from './tfjs.js';

/** Activations [n, d, h, w, c]; anything else is refused. @throws Failure('SHAPE_MISMATCH') */
export function volumeOf(shape: readonly number[]): {
  n: number;
  d: number;
  h: number;
  w: number;
  c: number;
} {
  const [n = 0, d = 0, h = 0, w = 0, c = 0] = shape;
  if (shape.length === 5) return { n, d, h, w, c };
  throw mismatch(`a tensor [n, d, h, w, channels] is needed, not [${shape.join(', ')}]`, { shape });
}

/** Refuses a tensor that does not hold one value per channel. @throws Failure('SHAPE_MISMATCH') */
export function checkPerChannel(name: string, tensor: tf.Tensor | null | undefined, channels: number): void {
  if (tensor == null || (tensor.shape.length === 1 && tensor.shape[0] === channels)) return;
  const message = `${name} [${tensor.shape.join(', ')}] should be [${String(channels)}].`;
  throw mismatch(message, { name, shape: tensor.shape, expected: [channels] });
}

export const mismatch = (message: string, details: Record<string, unknown>): Failure =>
  new Failure('SHAPE_MISMATCH', details, { message });
