import type { KernelBackend } from './backend.js';
import { orOutOfMemory } from './out-of-memory.js';
import { isProfiling, measureForward } from './profile.js';
import type { GradientFunction, Gradients } from './recording.js';
import { tf } from './tfjs.js';

type Inputs = Record<string, tf.TensorInfo>;
type Attributes = Record<string, unknown>;

export interface KernelCall<A> {
  inputs: Inputs;
  attributes: A;
  backend: KernelBackend;
  /** The floats of an input. */
  floats(name: string): Float32Array;
  /** The floats of an input that may be left out. */
  maybe(name: string): Float32Array | null;
  shape(name: string): number[];
  /** An array for an output, its contents undefined. */
  room(length: number): Float32Array;
}

export interface OperationSpec<A> {
  name: string;
  run: (call: KernelCall<A>) => Output[];
  /** Inputs whose values the gradient needs. */
  saves?: readonly string[];
  /** The name under which the gradient finds the (first) output, if it needs it. */
  keeps?: string;
  /** Multiply-adds of the forward run, counted directly; by default none that matter. */
  macs?: (inputs: Record<string, { shape: number[] }>, attributes: A) => number;
  /**
   * Gradients by input; each function is called after all that the gradient function did by itself, and at most once,
   * but for those that only hand out what was computed together.
   */
  gradient?: (dy: tf.Tensor, saved: Record<string, tf.Tensor>, attributes: A) => Gradients;
}

export type Operation<A> = (inputs: Record<string, tf.Tensor>, attributes: A) => tf.Tensor[];

const specs: OperationSpec<never>[] = [];

/** Names of all operations that were declared. */
export const declaredOperations = (): string[] => specs.map(({ name }) => name);

/** Declares an operation once for all backends of ours; the result runs it on the current backend. */
export function defineOperation<A>(spec: OperationSpec<A>): Operation<A> {
  specs.push(spec);
  const { gradient, saves = [], keeps } = spec;
  const names = [...saves, ...(keeps === undefined ? [] : [keeps])]; // tfjs hands inputs over first
  if (gradient !== undefined) {
    tf.registerGradient({
      kernelName: spec.name,
      inputsToSave: [...saves],
      outputsToSave: keeps === undefined ? [] : [true],
      gradFunc: (dy, saved, attributes) =>
        gradient(
          dy as tf.Tensor,
          Object.fromEntries(names.map((name, i) => [name, saved[i] as tf.Tensor])),
          attributes as A,
        ),
    });
  }
  const run: Operation<A> = (inputs, attributes) => {
    const result = tf.engine().runKernel(spec.name, inputs, attributes as Attributes as tf.NamedAttrMap);
    return Array.isArray(result) ? result : [result];
  };
  return (inputs, attributes) => {
    if (!isProfiling()) return run(inputs, attributes);
    const macs = spec.macs?.(inputs, attributes) ?? 0;
    return measureForward(spec.name, macs, inputs, () => run(inputs, attributes));
  };
}

/** Registers every declared operation for one backend. */
export function registerOperations(backendName: string): void {
  for (const spec of specs) {
    tf.registerKernel({
      kernelName: spec.name,
      backendName,
      kernelFunc: ({ inputs, attrs, backend }) => {
        const own = backend as KernelBackend;
        const call = callOf(inputs as Inputs, attrs as never, own);
        const outputs = orOutOfMemory(() => spec.run(call)).map(({ shape, values }) =>
          own.output(shape, values),
        );
        return outputs.length === 1 && outputs[0] !== undefined ? outputs[0] : outputs;
      },
    });
  }
}

function callOf<A>(inputs: Inputs, attributes: A, backend: KernelBackend): KernelCall<A> {
  const input = (name: string): tf.TensorInfo => {
    const found = inputs[name];
    if (found === undefined) throw new Error(`the operation needs an input ${name}`);
    return found;
  };
  return {
    inputs,
    attributes,
    backend,
    floats: (name) => backend.floatsOf(input(name)),
    maybe: (name) => (inputs[name] === undefined ? null : backend.floatsOf(inputs[name])),
    shape: (name) => input(name).shape,
    room: (length) => backend.pool.take(length),
  };
}

/** Inputs without those that are absent: tfjs knows no optional inputs. */
export function present(inputs: Record<string, tf.Tensor | null | undefined>): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(inputs).filter((entry): entry is [string, tf.Tensor] => entry[1] != null),
  );
}

/** One output of an operation before it becomes a tensor. */
interface Output {
  shape: readonly number[];
  values: Float32Array;
}

/**
 * Gradients that one operation computes together, handed out one by one. They are tensors of the scope in which the
 * gradient function runs: what nobody asks for goes with it.
 */
export function together(names: readonly string[], gradients: readonly tf.Tensor[]): Gradients {
  const handOut = (position: number): GradientFunction =>
    Object.assign(() => gradients[position] as tf.Tensor, { together: names });
  return Object.fromEntries(names.map((name, i) => [name, handOut(i)]));
}
