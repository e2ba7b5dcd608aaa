import { Failure } from '@lvnet/core';
import { tf, type Engine } from '@lvnet/engine';
import { networkOf } from './definitions.js';
import { checkInput, withChannels } from './input.js';
import type { Network } from './network.js';
import { engineShape } from './parameters.js';
import { forward } from './tensor-layers.js';
import { valuesOf, type Weights } from './weights.js';

/**
 * Probability of every class but background, with running statistics.
 *
 * @param image [d, h, w], normalised as in training
 * @throws Failure('SHAPE_MISMATCH' | 'WEIGHTS_MISMATCH')
 */
export function predictForeground(
  engine: Engine,
  network: Network,
  weights: Weights,
  image: Float32Array,
  [d, h, w]: readonly [number, number, number],
): Float32Array {
  checkInput(network.config, [d, h, w]);
  if (image.length !== d * h * w) {
    const message = `The image has ${String(image.length)} voxels, not ${String(d * h * w)}.`;
    throw new Failure('SHAPE_MISMATCH', { shape: [d, h, w], found: image.length }, { message });
  }
  engine.activate();
  const { classes } = network.config;
  const foreground = new Float32Array(d * h * w);
  const shapes = new Map(network.state.map((spec) => [spec.name, engineShape(spec)]));
  tf.engine().startScope('predict');
  try {
    const tensors = new Map<string, tf.Tensor>();
    const tensorOf = (name: string): tf.Tensor => {
      const known = tensors.get(name);
      if (known !== undefined) return known;
      const made = tf.tensor(valuesOf(weights, name), shapes.get(name) ?? []);
      tensors.set(name, made);
      return made;
    };
    const channels = networkOf(network.config).inputChannels;
    const input = tf.tensor(withChannels(network.config, image, [1, d, h, w]), [1, d, h, w, channels]);
    const { main } = forward(network.config, tensorOf, input, { training: false, weights });
    engine.kernels.foreground(foreground.length, classes, main.dataSync<'float32'>(), foreground);
  } finally {
    tf.engine().endScope();
  }
  return foreground;
}
