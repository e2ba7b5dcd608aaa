import { isRecording } from '../recording.js';
import { tf } from '../tfjs.js';

/** Tensors that forward leaves to backward beside those that the tape keeps, by the attributes which both share. */
const kept = new Map<object, tf.Tensor[]>();

/** Does nothing where no backward pass will come. */
export function setAside(attributes: object, tensors: readonly tf.Tensor[]): void {
  if (isRecording())
    kept.set(
      attributes,
      tensors.map((tensor) => tf.keep(tf.clone(tensor))),
    );
}

/** Hands them over to the open scope. */
export function takeAside(attributes: object): tf.Tensor[] {
  const found = kept.get(attributes) ?? [];
  kept.delete(attributes);
  return found.map((tensor) => {
    const taken = tf.clone(tensor);
    tensor.dispose();
    return taken;
  });
}

/** What no backward pass came for. */
export function dropAside(): void {
  for (const tensors of kept.values()) tf.dispose(tensors);
  kept.clear();
}
