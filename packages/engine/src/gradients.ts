import { tf } from './tfjs.js';

/**
 * The value of a scalar function and its gradients by the given tensors. Leaves no tensor behind, whether it
 * returns or throws.
 *
 * @param use sees each gradient's floats (valid during the call only) with its position
 */
export function valueAndGradients(
  f: () => tf.Scalar,
  parameters: readonly tf.Tensor[],
  use: (gradient: Float32Array, position: number) => void,
): number {
  tf.engine().startScope('valueAndGradients');
  try {
    const { value, grads } = tf.valueAndGrads(f)([...parameters]);
    grads.forEach((gradient, i) => {
      use(gradient.dataSync<'float32'>(), i);
    });
    return value.dataSync()[0] ?? Number.NaN;
  } finally {
    dropTape();
    tf.engine().endScope();
  }
}

/** After a throw tfjs keeps its tape, and with it every tensor saved for the gradients; else it leaves null. */
function dropTape(): void {
  const { state } = tf.engine();
  const tape = state.activeTape as { saved?: tf.Tensor[] }[] | null;
  if (tape === null || state.gradientDepth > 0) return;
  for (const { saved } of tape) tf.dispose(saved ?? []);
  state.activeTape = [];
}
