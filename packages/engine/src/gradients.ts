import { invariant } from '@lvnet/core';
import type { OwnBackend } from './backend.js';
import { isProfiling, measureBackward, measureTogether } from './profile.js';
import { machine, type GradientFunction, type Gradients, type TapeNode } from './recording.js';
import { tf } from './tfjs.js';

/**
 * The value of a scalar function and its gradients by the given tensors. Leaves no tensor behind, whether it
 * returns or throws. Unlike tfjs's own walk over the tape this one lets go of every saved tensor and every
 * gradient as soon as nothing needs it any more.
 *
 * @param use sees each gradient's floats (valid during the call only) with its position
 */
export function valueAndGradients(
  f: () => tf.Scalar,
  parameters: readonly tf.Tensor[],
  use: (gradient: Float32Array, position: number) => void,
): number {
  const outer = pass;
  const backend = tf.backend() as OwnBackend;
  pass = { bytesLeft: backend.keepBytes };
  tf.engine().startScope('valueAndGradients');
  try {
    const { value, tape } = record(f);
    const gradients = walkBack(tape, value, parameters);
    parameters.forEach((parameter, i) => {
      const gradient = gradients.get(parameter.id);
      invariant(gradient !== undefined, 'the value depends on every parameter');
      use(gradient.dataSync<'float32'>(), i);
    });
    backend.settle();
    return value.dataSync()[0] ?? Number.NaN;
  } finally {
    dropTape();
    if (outer === undefined) backend.endPass();
    tf.engine().endScope();
    pass = outer;
  }
}

let pass: { bytesLeft: number } | undefined;

/** Whether a pass forward and backward is under way, at whose end the backend is asked to settle. */
export const isInPass = (): boolean => pass !== undefined;

/**
 * Whether an operation may keep so many bytes for its backward pass rather than compute them again. What is
 * granted counts until the pass ends.
 */
export function mayKeep(bytes: number): boolean {
  if (pass === undefined || bytes > pass.bytesLeft) return false;
  pass.bytesLeft -= bytes;
  return true;
}

function record(f: () => tf.Scalar): { value: tf.Scalar; tape: TapeNode[] } {
  const { state } = machine();
  machine().startTape();
  try {
    return { value: tf.tidy(f), tape: state.activeTape ?? [] };
  } finally {
    machine().endTape();
  }
}

/** Gradients by the id of the tensor they belong to; only those of the parameters are left at the end. */
function walkBack(
  tape: TapeNode[],
  value: tf.Scalar,
  parameters: readonly tf.Tensor[],
): Map<number, tf.Tensor> {
  const wanted = dependents(tape, parameters);
  const gradients = new Map<number, tf.Tensor>([[value.id, tf.scalar(1)]]);
  for (let node = tape.pop(); node !== undefined; node = tape.pop()) {
    const dys = node.outputs.map(({ id }) => gradients.get(id) ?? null);
    const inputs = Object.entries(node.inputs).filter(([, { id }]) => wanted.has(id));
    if (inputs.length > 0 && dys.some((dy) => dy !== null)) propagate(node, dys, inputs, gradients);
    tf.dispose(dys.filter((dy) => dy !== null));
    tf.dispose(node.saved ?? []);
    for (const { id } of node.outputs) gradients.delete(id);
  }
  return gradients;
}

/** Ids of the tensors whose gradients lead to a parameter. */
function dependents(tape: readonly TapeNode[], parameters: readonly tf.Tensor[]): Set<number> {
  const ids = new Set(parameters.map(({ id }) => id));
  for (const { inputs, outputs } of tape) {
    if (!Object.values(inputs).some(({ id }) => ids.has(id))) continue;
    for (const { id } of outputs) ids.add(id);
  }
  return ids;
}

function propagate(
  node: TapeNode,
  dys: (tf.Tensor | null)[],
  inputs: [string, tf.Tensor][],
  gradients: Map<number, tf.Tensor>,
): void {
  tf.tidy(() => {
    const byInput = isProfiling() ? measuredTogether(node, dys) : node.gradient?.(dys);
    return inputs.map(([name, { id }]) => {
      const compute = byInput?.[name];
      invariant(compute !== undefined, `${node.kernelName} has a gradient by ${name}`);
      const gradient = isProfiling() ? measured(node, dys, name, compute) : tf.tidy(compute);
      const known = gradients.get(id);
      const sum = known === undefined ? gradient : sumOf(known, gradient);
      gradients.set(id, sum);
      return sum;
    });
  });
}

function measuredTogether(node: TapeNode, dys: (tf.Tensor | null)[]): Gradients | undefined {
  return measureTogether(node.outputs[0]?.id, readBy(node, dys), () => node.gradient?.(dys));
}

function measured(
  node: TapeNode,
  dys: readonly (tf.Tensor | null)[],
  name: string,
  compute: GradientFunction,
): tf.Tensor {
  const by = compute.together ?? [name];
  return measureBackward(node.outputs[0]?.id, by, readBy(node, dys), () => tf.tidy(compute));
}

const readBy = ({ saved = [] }: TapeNode, dys: readonly (tf.Tensor | null)[]): tf.Tensor[] => [
  ...dys.filter((dy) => dy !== null),
  ...saved,
];

/** Uses up both: where one of them has its memory to itself the sum takes its place. */
function sumOf(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  const backend = tf.backend() as OwnBackend;
  const [into, from] = backend.isSole(a) ? [a, b] : [b, a];
  const inPlace = backend.isSole(into) && into.shape.join() === from.shape.join();
  if (inPlace) backend.addInto(into, from);
  const sum = inPlace ? into : tf.add(a, b);
  tf.dispose(inPlace ? from : [a, b]);
  return sum;
}

/** What a throw leaves on the tape: the tensors saved for gradients. */
function dropTape(): void {
  const { state } = machine();
  if (state.activeTape === null || state.gradientDepth > 0) return;
  for (const { saved } of state.activeTape) tf.dispose(saved ?? []);
  state.activeTape = [];
}
