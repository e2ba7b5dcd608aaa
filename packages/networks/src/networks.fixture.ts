import { counterRandom } from '@lvnet/core';
import type { Network } from './network.js';
import type { ShardOptions } from './shard-gradient.js';
import { initialWeights, type Weights } from './weights.js';

const drawn = new Map<string, Float32Array>();

/** Numbers in [-1, 1), the same in every run; the array is the caller's. */
export function numbers(length: number, key: string): Float32Array {
  let values = drawn.get(key);
  if (values === undefined || values.length < length) {
    values = new Float32Array(length);
    counterRandom('network tests', key).fill(values, 1);
    drawn.set(key, values);
  }
  return values.slice(0, length);
}

const voxelsOf = (shape: ShardOptions['shape']): number => shape.reduce((product, size) => product * size, 1);

/** An image with mean 0 and variance near 1, and labels that follow it a little. */
export function exampleOf(
  shape: ShardOptions['shape'],
  classes: number,
): { image: Float32Array; label: Int32Array } {
  const image = numbers(voxelsOf(shape), 'image').map((value) => value * Math.sqrt(3));
  const label = Int32Array.from(image, (value, i) => (value > 0.3 ? 1 : (i >> 2) % classes));
  return { image, label };
}

/** Initial weights moved so that no batch norm is at its start: scales near 1, offsets near 0. */
export function trainedLike(network: Network, seed = 1): Weights {
  const weights = initialWeights(network.config, seed);
  for (const { name, kind } of network.state) {
    const values = weights.byName.get(name);
    const shifts = numbers(values?.length ?? 0, name);
    values?.forEach((value, i) => {
      if (kind === 'gamma' || kind === 'beta') values[i] = value + 0.3 * (shifts[i] ?? 0);
    });
  }
  return weights;
}

export const inFloat64 = (weights: Weights): Map<string, Float64Array> =>
  new Map([...weights.byName].map(([name, values]) => [name, Float64Array.from(values)]));

/** The gradient's part of each trained tensor, by name. */
export function byName(network: Network, flat: Float32Array): Map<string, Float32Array> {
  let offset = 0;
  return new Map(
    network.trained.map(({ name, shape }) => {
      const length = shape.reduce((product, size) => product * size, 1);
      return [name, flat.subarray(offset, (offset += length))];
    }),
  );
}

export const bytesOf = (values: Float32Array): Buffer =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);
