import { tf } from './tfjs.js';

/**
 * The value of a scalar function and its gradients by the given tensors.
 *
 * @param use sees each gradient's floats (valid during the call only) with its position
 */
export function valueAndGradients(
  f: () => tf.Scalar,
  parameters: readonly tf.Tensor[],
  use: (gradient: Float32Array, position: number) => void,
): number {
  const { value, grads } = tf.valueAndGrads(f)([...parameters]);
  try {
    grads.forEach((gradient, i) => {
      use(gradient.dataSync<'float32'>(), i);
    });
    return value.dataSync()[0] ?? Number.NaN;
  } finally {
    tf.dispose([value, ...grads]);
  }
}
