import { isTensorFlowInstalled, type EngineKind } from '@lvnet/engine';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { counterRandom } from '@lvnet/core';
import { loadKernels } from '@lvnet/kernels';
import { buildNetwork, initialWeights, type Network, type Weights } from '@lvnet/networks';
import { decodeSafetensors, float32Of } from '@lvnet/safetensors';
import { repository } from '../support/data.js';
import { skip } from '../support/tools.js';

/** What test/golden/generate.py was given: see there for how inputs follow from names. */
export interface GoldenCase {
  network: { name: string };
  /** [samples, slices, rows, columns] */
  shape: [number, number, number, number];
  eta: number[];
  /** Of the five steps, where the one of all would leave float64 itself astray. */
  learningRate?: number;
}

interface GoldenCases {
  small: GoldenCase[];
  real: GoldenCase[];
  steps: number;
  optimizer: { learningRate: number; weightDecay: number };
}

const folder = join(repository, 'test/golden');

export const goldenCases = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')) as GoldenCases;

/** PyTorch's results of a golden file, by name. */
export function goldenTensors(name: string): Map<string, { shape: readonly number[]; values: Float32Array }> {
  const { tensors } = decodeSafetensors(readFileSync(join(folder, `${name}.safetensors`)));
  return new Map(
    [...tensors].map(([key, tensor]) => [key, { shape: tensor.shape, values: float32Of(tensor) }]),
  );
}

/** Numbers in [-1, 1), those of the generator. */
export function draws(length: number, ...key: (string | number)[]): Float64Array {
  const values = new Float64Array(length);
  counterRandom(...key).fill(values, 1);
  return values;
}

export function goldenWeights(golden: GoldenCase): { network: Network; weights: Weights } {
  const network = buildNetwork(golden.network);
  const weights = initialWeights(network.config, 1);
  for (const { name, kind } of network.state) {
    if (kind !== 'gamma' && kind !== 'beta') continue;
    const values = weights.byName.get(name) ?? assert.fail(name);
    const start = kind === 'gamma' ? 1 : 0;
    values.set(draws(values.length, 'golden', name).map((value) => start + 0.3 * value));
  }
  return { network, weights };
}

export function goldenBatch(
  { shape }: GoldenCase,
  classes: number,
  step: number,
): { image: Float32Array; label: Int32Array } {
  const count = shape.reduce((product, size) => product * size, 1);
  const image = Float32Array.from(draws(count, 'golden image', step), (value) => value * Math.sqrt(3));
  const label = Int32Array.from(image, (value, i) =>
    value > Math.fround(0.3) ? 1 : Math.floor(i / 4) % classes,
  );
  return { image, label };
}

const samplesPerTensor = 24;

/** What the generator writes of a large tensor: some values, the largest magnitude, a product with random numbers. */
export function sampled(name: string, values: Float32Array): Float64Array {
  const count = Math.min(values.length, samplesPerTensor);
  const places = Array.from({ length: count }, (_, i) =>
    Math.floor((i * (values.length - 1)) / Math.max(1, count - 1)),
  );
  const along = draws(values.length, 'golden direction', name);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const product = values.reduce((sum, value, i) => sum + value * (along[i] ?? Number.NaN), 0);
  return Float64Array.from([...places.map((place) => values[place] ?? Number.NaN), largest, product]);
}

/** The plain loops are everywhere. */
export function skipWithout(kind: EngineKind, test: Mocha.Context): void {
  if (kind === 'native' && loadKernels() === undefined) skip(test, 'the addon is not built');
  if (kind === 'tensorflow' && !isTensorFlowInstalled())
    skip(test, 'no TensorFlow (npx lvnet setup tensorflow)');
}
