import type { BlockActivation, IrbShape, IrbStatistics, IrbWeights } from '@lvnet/kernels';
import { depthwiseShape, voxelsOf } from './convolution.js';
import { mayKeep } from './gradients.js';
import type { OnStatistics } from './normalisation.js';
import { defineOperation, together, type KernelCall } from './operation.js';
import { isRecording } from './recording.js';
import { checkPerChannel, mismatch, volumeOf } from './shapes.js';
import { tf } from './tfjs.js';

/** Weights of a block as tensors, in the layouts of IrbWeights (kernels with trailing ones are fine). */
export type IrbParameters = {
  [K in keyof IrbWeights]: IrbWeights[K] extends Float32Array ? tf.Tensor : tf.Tensor | null;
};

const required = [
  'expandWeight',
  'gamma1',
  'beta1',
  'depthwiseWeight',
  'gamma2',
  'beta2',
  'projectWeight',
  'gamma3',
  'beta3',
] as const;
const optional = ['expandBias', 'depthwiseBias', 'projectBias'] as const;
type ParameterName = (typeof required)[number] | (typeof optional)[number];

interface BlockAttributes {
  epsilon: number;
  activation: BlockActivation;
  biased: boolean;
  /** From forward to backward; arrays rather than tensors, since nothing differentiates them. */
  kept: { statistics: IrbStatistics; saved: Float32Array | null; keepHidden: boolean };
}

function shapeOf(call: KernelCall<unknown>): IrbShape {
  const { c, ...volume } = volumeOf(call.shape('x'));
  const weight = call.shape('depthwiseWeight');
  return { ...volume, c, expanded: weight[0] ?? 0, k: weight[2] ?? 0 };
}

function weightsOf(call: KernelCall<unknown>): IrbWeights {
  const given = required.map((name) => [name, call.floats(name)] as const);
  const maybe = optional.map((name) => [name, call.maybe(name)] as const);
  return Object.fromEntries([...given, ...maybe]) as unknown as IrbWeights;
}

function emptyStatistics(c: number, expanded: number): IrbStatistics {
  const [mean1, variance1, mean2, variance2] = Array.from(
    { length: 4 },
    () => new Float32Array(expanded),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  return { mean1, variance1, mean2, variance2, mean3: new Float32Array(c), variance3: new Float32Array(c) };
}

const runGradient = defineOperation<BlockAttributes>({
  name: 'LvnetInvertedResidualGradient',
  run: (call) => {
    const { kept } = call.attributes;
    if (kept.saved === null) throw new Error('the gradient of a block is asked for once');
    const s = shapeOf(call);
    const p = weightsOf(call);
    const dx = call.room(call.floats('x').length);
    const entries = Object.entries(p) as [ParameterName, Float32Array | null][];
    const gradients = Object.fromEntries(
      entries.map(([name, value]) => [name, value === null ? null : call.room(value.length)]),
    ) as unknown as IrbWeights;
    const { kernels, pool } = call.backend;
    kernels.irbBackward(
      s,
      call.floats('x'),
      p,
      optionsOf(call.attributes),
      kept.statistics,
      kept.saved,
      call.floats('dy'),
      dx,
      gradients,
    );
    pool.give(kept.saved);
    kept.saved = null;
    const outputs = parameterNames(call.attributes.biased).map((name) => ({
      shape: call.shape(name),
      values: gradients[name] as Float32Array,
    }));
    return [{ shape: call.shape('x'), values: dx }, ...outputs];
  },
});

const optionsOf = ({ epsilon, activation, kept }: BlockAttributes) => ({
  epsilon,
  activation,
  keepHidden: kept.keepHidden,
});

const parameterNames = (biased: boolean): ParameterName[] => [...required, ...(biased ? optional : [])];

const blockSpec = (biased: boolean) => ({
  name: biased ? 'LvnetInvertedResidualBiased' : 'LvnetInvertedResidual',
  saves: ['x', ...parameterNames(biased)],
  macs: ({ x, ...weights }: Record<string, { shape: number[] }>) => {
    const names = ['expandWeight', 'depthwiseWeight', 'projectWeight'];
    const perVoxel = names.map((name) => tf.util.sizeFromShape(weights[name]?.shape ?? []));
    return voxelsOf(x) * perVoxel.reduce((sum, macs) => sum + macs, 0);
  },
  run: (call: KernelCall<BlockAttributes>) => {
    const { kept } = call.attributes;
    const { kernels } = call.backend;
    const s = shapeOf(call);
    const x = call.floats('x');
    const y = call.room(x.length);
    if (isRecording()) {
      const [less, more] = [false, true].map((keepHidden) => kernels.irbSavedLength(s, { keepHidden }));
      kept.keepHidden = mayKeep(4 * ((more ?? 0) - (less ?? 0)));
      kept.saved = call.room((kept.keepHidden ? more : less) ?? 0);
    }
    kernels.irbForward(s, x, weightsOf(call), optionsOf(call.attributes), y, kept.statistics, kept.saved);
    return [{ shape: call.shape('x'), values: y }];
  },
  gradient: (dy: tf.Tensor, saved: Record<string, tf.Tensor>, attributes: BlockAttributes) => {
    const names = ['x', ...parameterNames(biased)];
    return together(names, runGradient({ dy, ...saved }, attributes));
  },
});

const runBlock = defineOperation<BlockAttributes>(blockSpec(false));
const runBiasedBlock = defineOperation<BlockAttributes>(blockSpec(true));

/** @throws Failure('SHAPE_MISMATCH') */
function inputsOf(x: tf.Tensor, p: IrbParameters): { inputs: Record<string, tf.Tensor>; biased: boolean } {
  const biased = p.expandBias !== null;
  if (optional.some((name) => (p[name] !== null) !== biased)) {
    throw mismatch('Either all three convolutions or none of a block have a bias.', {});
  }
  checkParameters(x, p);
  const names = parameterNames(biased);
  return { biased, inputs: { x, ...Object.fromEntries(names.map((name) => [name, p[name] as tf.Tensor])) } };
}

function checkParameters(x: tf.Tensor, p: IrbParameters): void {
  const { c } = volumeOf(x.shape);
  const expanded = p.depthwiseWeight.shape[0];
  const { k } = depthwiseShape([...x.shape.slice(0, 4), expanded], p.depthwiseWeight.shape);
  if (k === 1) {
    const { shape } = p.depthwiseWeight;
    throw mismatch(`depthwiseWeight [${shape.join(', ')}]: the kernel of a block is 3, 5 or 7.`, { shape });
  }
  checkPointwise('expandWeight', p.expandWeight, [expanded, c]);
  checkPointwise('projectWeight', p.projectWeight, [c, expanded]);
  for (const name of ['expandBias', 'gamma1', 'beta1', 'depthwiseBias', 'gamma2', 'beta2'] as const) {
    checkPerChannel(name, p[name], expanded);
  }
  for (const name of ['projectBias', 'gamma3', 'beta3'] as const) checkPerChannel(name, p[name], c);
}

function checkPointwise(name: string, { shape }: tf.Tensor, expected: readonly [number, number]): void {
  const fits = shape.every((size, axis) => size === (expected[axis] ?? 1)) && shape.length >= 2;
  if (fits) return;
  throw mismatch(`${name} [${shape.join(', ')}] should be [${expected.join(', ')}].`, {
    name,
    shape,
    expected,
  });
}

/** The statistics of the block's three normalisations, in order. */
export type OnBlockStatistics = readonly [OnStatistics, OnStatistics, OnStatistics];

/**
 * Inverted-residual block in training mode, as one operation: expand, normalise, activate, depthwise,
 * normalise, activate, project, normalise, add the input. Either all three convolutions have a bias or none.
 *
 * @throws Failure('SHAPE_MISMATCH')
 */
export function invertedResidual(
  x: tf.Tensor,
  p: IrbParameters,
  o: { epsilon: number; activation: BlockActivation; onStatistics?: OnBlockStatistics | undefined },
): tf.Tensor {
  const { inputs, biased } = inputsOf(x, p);
  const { n, d, h, w, c } = volumeOf(x.shape);
  const statistics = emptyStatistics(c, p.depthwiseWeight.shape[0]);
  const attributes: BlockAttributes = { ...o, biased, kept: { statistics, saved: null, keepHidden: false } };
  const y = (biased ? runBiasedBlock : runBlock)(inputs, attributes)[0] as tf.Tensor;
  const count = n * d * h * w;
  const { mean1, variance1, mean2, variance2, mean3, variance3 } = statistics;
  o.onStatistics?.[0]({ mean: mean1, variance: variance1, count });
  o.onStatistics?.[1]({ mean: mean2, variance: variance2, count });
  o.onStatistics?.[2]({ mean: mean3, variance: variance3, count });
  return y;
}

const runBlockInfer = defineOperation<{
  epsilon: number;
  activation: BlockActivation;
  statistics: IrbStatistics;
}>({
  name: 'LvnetInvertedResidualInfer',
  run: (call) => {
    const { statistics, ...o } = call.attributes;
    const x = call.floats('x');
    const y = call.room(x.length);
    call.backend.kernels.irbInfer(shapeOf(call), x, weightsOf(call), o, statistics, y);
    return [{ shape: call.shape('x'), values: y }];
  },
});

/** The block with running statistics; for inference, not differentiable. @throws Failure('SHAPE_MISMATCH') */
export function invertedResidualInfer(
  x: tf.Tensor,
  p: IrbParameters,
  o: { epsilon: number; activation: BlockActivation; statistics: IrbStatistics },
): tf.Tensor {
  const { inputs } = inputsOf(x, p);
  for (const [name, values] of Object.entries(o.statistics) as [string, Float32Array][]) {
    const expected = name.endsWith('3') ? p.gamma3.size : p.gamma1.size;
    if (values.length !== expected) {
      const message = `${name} has ${String(values.length)} values, not ${String(expected)}.`;
      throw mismatch(message, { name, found: values.length, expected });
    }
  }
  return runBlockInfer(inputs, o)[0] as tf.Tensor;
}
