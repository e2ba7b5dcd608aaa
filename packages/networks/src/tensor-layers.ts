import {
  addTensors,
  averagePool3d,
  batchNormInfer,
  batchNormTrain,
  concatChannels,
  conv3d,
  conv3dInfer,
  convolve as convolveDensely,
  convolveInfer,
  enterLayer,
  groupNorm,
  invertedResidual,
  invertedResidualInfer,
  isProfiling,
  maxPool,
  prelu,
  relu,
  repeatChannel,
  resize,
  takeChannels,
  transposedConvolve,
  tf,
  upsampleTrilinear,
  type BatchStatistics,
  type IrbParameters,
  type OnStatistics,
} from '@lvnet/engine';
import type { Activation, Triple } from '@lvnet/kernels';
import type { NetworkConfig } from './config.js';
import { networkOf } from './definitions.js';
import { foldNorm } from './fold.js';
import { denseShape, planOf, transposedShape, type Plan } from './plan.js';
import type { Convolution, InvertedResidual, Layers, Scores } from './vocabulary.js';
import { valuesOf, type Weights } from './weights.js';

const epsilon = 1e-5;

/** Gives the tensor of a parameter by its name, kernels with three axes. */
export type TensorOf = (name: string) => tf.Tensor;

export type Mode =
  | { training: true; onStatistics: (layer: string, statistics: BatchStatistics) => void }
  | { training: false; weights: Weights };

/**
 * The network on tensors. Every tensor goes as soon as its last reader is done, but for what the tape keeps.
 *
 * @param image [n, d, h, w, input channels]; disposed
 * @returns scores [n, d, h, w, classes]
 */
export function forward(
  config: NetworkConfig,
  tensorOf: TensorOf,
  image: tf.Tensor,
  mode: Mode,
): Scores<tf.Tensor> {
  const network = networkOf(config);
  const readers = readersOf(config, mode.training);
  const layers = tensorLayers(config, { dimensions: network.dimensions, tensorOf, mode, readers });
  const words = isProfiling() ? telling(layers) : layers;
  const { main, heads } = network.describe(words, { id: 0, tensor: image });
  return { main: main.tensor, heads: heads.map(({ tensor }) => tensor) };
}

/** Tells the engine's profile each layer's name; words without one belong to the layer before them. */
function telling(layers: Layers<Value>): Layers<Value> {
  const words = (Object.entries(layers) as [string, unknown][]).map(([word, run]) => {
    if (typeof run !== 'function') return [word, run] as const;
    const named = (...values: unknown[]): unknown => {
      if (typeof values[1] === 'string') enterLayer(values[1]);
      return (run as (...given: unknown[]) => unknown)(...values);
    };
    return [word, named] as const;
  });
  return Object.fromEntries(words) as unknown as Layers<Value>;
}

/** By configuration: drawing the plan takes milliseconds, which each block of a scan would. */
const readersIn = {
  training: new WeakMap<NetworkConfig, readonly number[]>(),
  predictions: new WeakMap<NetworkConfig, readonly number[]>(),
};

/** How often each value of the network is read, results once more. */
function readersOf(config: NetworkConfig, supervised: boolean): number[] {
  const known = supervised ? readersIn.training : readersIn.predictions;
  const readers = known.get(config) ?? countReaders(planOf(config, undefined, supervised));
  known.set(config, readers);
  return [...readers];
}

function countReaders({ steps, values, main, heads }: Plan): number[] {
  const counts = values.map(() => 0);
  for (const id of [...steps.flatMap(({ inputs }) => inputs), main, ...heads])
    counts[id] = (counts[id] ?? 0) + 1;
  return counts;
}

interface Value {
  id: number;
  readonly tensor: tf.Tensor;
  /** Of a convolution in a prediction that nobody has read yet: computes it together with what follows it. */
  followedBy?: (name: string, activation: Activation) => tf.Tensor;
}

interface Parts {
  dimensions: 2 | 3;
  tensorOf: TensorOf;
  mode: Mode;
  readers: number[];
}

interface ConvolutionRuns {
  plain: () => tf.Tensor;
  /** Each channel times its scale plus its shift, then the activation. */
  finished: (folded: { scale: Float32Array; shift: Float32Array }, activation: Activation) => tf.Tensor;
}

function tensorLayers(config: NetworkConfig, parts: Parts): Layers<Value> {
  const { dimensions, tensorOf, mode, readers } = parts;
  const isSmall = config.name === 'lv-net';
  let made = 0;
  /** Counts the readers of what a result was made from. */
  const read = (inputs: readonly Value[], result: tf.Tensor): tf.Tensor => {
    for (const { id, tensor } of inputs) {
      const left = (readers[id] ?? 0) - 1;
      readers[id] = left;
      if (left === 0) tensor.dispose();
    }
    return result;
  };
  const step = (inputs: readonly Value[], tensor: tf.Tensor): Value => ({
    tensor: read(inputs, tensor),
    id: ++made,
  });
  /**
   * A convolution. In a prediction it waits for its first reader: where that is a normalisation by running statistics,
   * the convolution does its work too.
   */
  const convolve = (x: Value, name: string, bias: boolean, { plain, finished }: ConvolutionRuns): Value => {
    if (mode.training) return step([x], plain());
    const { weights } = mode;
    let tensor: tf.Tensor | undefined;
    return {
      id: ++made,
      get tensor() {
        return (tensor ??= read([x], plain()));
      },
      followedBy(norm, activation) {
        const folded = foldNorm(weights, { convolution: name, biased: bias, norm, epsilon });
        return read([x], finished(folded, activation));
      },
    };
  };
  /** LV-Net's, made for few channels. */
  const smallConvolution = ({ id, tensor }: Value, name: string, bias = false): Value => {
    const w = tensorOf(`${name}.weight`);
    return convolve({ id, tensor }, name, bias, {
      plain: () => conv3d(tensor, w, biasOf(name, bias)),
      finished: ({ scale, shift }, activation) =>
        tf.tidy(() => {
          const scaled = tf.tensor(scaleRows(w.dataSync<'float32'>(), scale), w.shape);
          return conv3dInfer(tensor, scaled, tf.tensor1d(shift), activation);
        }),
    });
  };
  const largeConvolution = ({ id, tensor }: Value, name: string, o: Convolution): Value => {
    const moves = movesOf(dimensions, valueOf({ id, tensor }), o);
    const w = tensorOf(`${name}.weight`);
    return convolve({ id, tensor }, name, o.bias === true, {
      plain: () => convolveDensely(tensor, w, biasOf(name, o.bias), moves),
      finished: (folded, activation) =>
        tf.tidy(() => {
          const [scale, shift] = [tf.tensor1d(folded.scale), tf.tensor1d(folded.shift)];
          return convolveInfer(tensor, w, { scale, shift, rectified: activation === 'relu' }, moves);
        }),
    });
  };
  const valueOf = ({ tensor }: Value) => {
    const [, d = 0, h = 0, w = 0, channels = 0] = tensor.shape;
    return { size: [d, h, w] as Triple, channels };
  };
  const biasOf = (name: string, bias?: boolean) => (bias === true ? tensorOf(`${name}.bias`) : null);

  return {
    supervised: mode.training,
    sizeOf: (x) => valueOf(x).size,
    convolution: (x, name, o) => (isSmall ? smallConvolution(x, name, o.bias) : largeConvolution(x, name, o)),
    transposedConvolution: (x, name, o) => {
      const moves = transposedShape(dimensions, valueOf(x).size, o);
      return step([x], transposedConvolve(x.tensor, tensorOf(`${name}.weight`), biasOf(name, o.bias), moves));
    },
    batchNorm: (x, name, activation) =>
      x.followedBy !== undefined && readers[x.id] === 1 && (isSmall || activation !== 'elu')
        ? { id: ++made, tensor: x.followedBy(name, activation) }
        : step([x], batchNorm(x.tensor, name, activation, parts)),
    rectifiedGroupNorm: (x, name, groups) => {
      const [gamma, beta] = [tensorOf(`${name}.weight`), tensorOf(`${name}.bias`)];
      return step([x], groupNorm(x.tensor, gamma, beta, { groups, epsilon, rectified: true }));
    },
    relu: (x) => step([x], relu(x.tensor)),
    prelu: (x, name) => step([x], prelu(x.tensor, tensorOf(`${name}.weight`))),
    invertedResidual: (x, name, o) => step([x], block(x.tensor, name, o, parts)),
    pooledConvolution: (x, name) => {
      return smallConvolution(step([x], averagePool3d(x.tensor)), name);
    },
    maxPool: (x, _name, o) => {
      const { kernel, stride, padding } = denseShape(dimensions, valueOf(x), { ...o, channels: 1 });
      return step([x], maxPool(x.tensor, { kernel, stride, padding }));
    },
    upsample: (x, _name, factor, onto) => {
      if (onto !== undefined) return step([x, onto], upsampleTrilinear(x.tensor, factor, onto.tensor));
      return factor === 1 ? x : step([x], upsampleTrilinear(x.tensor, factor));
    },
    resize: (x, _name, to, rule) => step([x], resize(x.tensor, to, rule)),
    add: (a, b) => step([a, b], addTensors(a.tensor, b.tensor)),
    concat: (xs) => step(xs, concatChannels(xs.map(({ tensor }) => tensor))),
    repeatChannel: (x, channels) => step([x], repeatChannel(x.tensor, channels)),
    firstChannels: (x, channels) => step([x], takeChannels(x.tensor, 0, channels)),
  };
}

/** Weights [co, ...], each of co times its scale. */
function scaleRows(weights: Float32Array, scale: Float32Array): Float32Array {
  const each = weights.length / scale.length;
  return weights.map((value, i) => value * (scale[Math.floor(i / each)] ?? Number.NaN));
}

function movesOf(dimensions: 2 | 3, x: { size: Triple; channels: number }, o: Convolution) {
  const { stride, padding, dilation } = denseShape(dimensions, x, o);
  return { stride, padding, dilation };
}

function batchNorm(x: tf.Tensor, name: string, activation: Activation, { tensorOf, mode }: Parts): tf.Tensor {
  const [gamma, beta] = [tensorOf(`${name}.weight`), tensorOf(`${name}.bias`)];
  if (mode.training) {
    const onStatistics = listener(mode, name);
    return batchNormTrain(x, gamma, beta, { epsilon, activation, onStatistics });
  }
  const [mean, variance] = [tensorOf(`${name}.running_mean`), tensorOf(`${name}.running_var`)];
  return batchNormInfer(x, { gamma, beta, mean, variance }, { epsilon, activation });
}

const listener =
  (mode: Extract<Mode, { training: true }>, name: string): OnStatistics =>
  (statistics) => {
    mode.onStatistics(name, statistics);
  };

function block(
  x: tf.Tensor,
  name: string,
  { bias: biased, activation }: InvertedResidual,
  { tensorOf, mode }: Parts,
): tf.Tensor {
  const bias = (layer: string) => (biased ? tensorOf(`${name}.${layer}.bias`) : null);
  const parameters: IrbParameters = {
    expandWeight: tensorOf(`${name}.expand.weight`),
    expandBias: bias('expand'),
    gamma1: tensorOf(`${name}.bn1.weight`),
    beta1: tensorOf(`${name}.bn1.bias`),
    depthwiseWeight: tensorOf(`${name}.depthwise.weight`),
    depthwiseBias: bias('depthwise'),
    gamma2: tensorOf(`${name}.bn2.weight`),
    beta2: tensorOf(`${name}.bn2.bias`),
    projectWeight: tensorOf(`${name}.project.weight`),
    projectBias: bias('project'),
    gamma3: tensorOf(`${name}.bn3.weight`),
    beta3: tensorOf(`${name}.bn3.bias`),
  };
  if (mode.training) {
    const onStatistics = [
      listener(mode, `${name}.bn1`),
      listener(mode, `${name}.bn2`),
      listener(mode, `${name}.bn3`),
    ] as const;
    return invertedResidual(x, parameters, { epsilon, activation, onStatistics });
  }
  const { weights } = mode;
  const statistics = {
    mean1: valuesOf(weights, `${name}.bn1.running_mean`),
    variance1: valuesOf(weights, `${name}.bn1.running_var`),
    mean2: valuesOf(weights, `${name}.bn2.running_mean`),
    variance2: valuesOf(weights, `${name}.bn2.running_var`),
    mean3: valuesOf(weights, `${name}.bn3.running_mean`),
    variance3: valuesOf(weights, `${name}.bn3.running_var`),
  };
  return invertedResidualInfer(x, parameters, { epsilon, activation, statistics });
}
