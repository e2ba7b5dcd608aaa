import {
  addTensors,
  averagePool3d,
  batchNormInfer,
  batchNormTrain,
  conv3d,
  invertedResidual,
  invertedResidualInfer,
  upsampleTrilinear,
  type BatchStatistics,
  type IrbParameters,
  type OnStatistics,
  type tf,
} from '@lvnet/engine';
import type { NetworkConfig } from './config.js';
import { isBiased } from './layers.js';
import { valuesOf, type Weights } from './weights.js';

const epsilon = 1e-5;

/** Gives the tensor of a parameter by its name. */
export type TensorOf = (name: string) => tf.Tensor;

export type Mode =
  | { training: true; onStatistics: (layer: string, statistics: BatchStatistics) => void }
  | { training: false; weights: Weights };

export interface Logits {
  /** [n, d, h, w, classes] */
  main: tf.Tensor;
  /** Full size, coarsest first. */
  heads: tf.Tensor[];
}

/**
 * LV-Net (Lei et al., ICASSP 2021), built from inverted-residual blocks.
 *
 * @param image [n, d, h, w, 1]
 */
export function forward(config: NetworkConfig, tensorOf: TensorOf, image: tf.Tensor, mode: Mode): Logits {
  const { levels, activation } = config;
  const convolve = (x: tf.Tensor, name: string, bias = false) =>
    conv3d(x, tensorOf(`${name}.weight`), bias ? tensorOf(`${name}.bias`) : null);
  const normalise = (x: tf.Tensor, name: string) => activatedNorm(x, name, tensorOf, activation, mode);
  const stage = (x: tf.Tensor, name: string, level: number) => {
    for (let i = 0; i < config.blocksPerStage; i++) {
      x = block(x, `${name}.${String(i)}`, isBiased(level), tensorOf, activation, mode);
    }
    return x;
  };

  let x = normalise(convolve(image, 'stem.conv'), 'stem.bn');
  const encoded: tf.Tensor[] = [];
  for (let level = 0; level < levels - 1; level++) {
    x = stage(x, `enc${String(level)}`, level);
    encoded.push(x);
    const name = `down${String(level)}`;
    x = normalise(averagePool3d(convolve(x, `${name}.conv`)), `${name}.bn`);
  }
  x = stage(x, 'bottom', levels - 1);
  const heads: tf.Tensor[] = [];
  for (let level = levels - 2; level >= 0; level--) {
    const name = `up${String(level)}`;
    x = upsampleTrilinear(normalise(convolve(x, `${name}.conv`), `${name}.bn`), 2);
    x = stage(addTensors(x, encoded[level] as tf.Tensor), `dec${String(level)}`, level);
    if (!mode.training) continue; // heads only supervise
    heads.push(upsampleTrilinear(convolve(x, `head${String(heads.length + 1)}`, true), 2 ** level));
  }
  return { main: convolve(x, 'output', true), heads };
}

function activatedNorm(
  x: tf.Tensor,
  name: string,
  tensorOf: TensorOf,
  activation: NetworkConfig['activation'],
  mode: Mode,
): tf.Tensor {
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
  biased: boolean,
  tensorOf: TensorOf,
  activation: NetworkConfig['activation'],
  mode: Mode,
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
