import { isInPass } from '../gradients.js';
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

interface Unread {
  tensor: tf.Tensor;
  into: Float32Array;
  factor: number;
}

/** What the host wants to know by the end of the pass. */
let unread: Unread[] = [];

/**
 * Copies a tensor's numbers, times a factor, once the pass ends; at once where there is none. Whoever reads waits for
 * all operations before, so that a GPU would have nothing to do until it is told of the next one.
 */
export function readLater(tensor: tf.Tensor, into: Float32Array, factor = 1): void {
  unread.push({ tensor: tf.keep(tf.clone(tensor)), into, factor });
  if (!isInPass()) settle();
}

export function settle(): void {
  try {
    for (const { tensor, into, factor } of unread)
      into.set(tensor.dataSync<'float32'>().map((value) => factor * value));
  } finally {
    dropUnread();
  }
}

function dropUnread(): void {
  tf.dispose(unread.map(({ tensor }) => tensor));
  unread = [];
}

/** What operations of a pass make of the same thing, by that thing. */
const shared = new Map<object, tf.Tensor>();

/** The tensor that another operation of this pass made of `source`, or a new one. */
export function madeOnce(source: object, make: () => tf.Tensor): tf.Tensor {
  const known = shared.get(source);
  if (known !== undefined) return tf.clone(known);
  const made = make();
  if (isInPass()) shared.set(source, tf.keep(tf.clone(made)));
  return made;
}

/** Once nobody asks for it any more: what stays between large tensors costs a process more than its size. */
export function dropShared(): void {
  for (const tensor of shared.values()) tensor.dispose();
  shared.clear();
}

/** What no backward pass came for. */
export function dropAside(): void {
  dropUnread();
  dropShared();
  for (const tensors of kept.values()) tf.dispose(tensors);
  kept.clear();
}
