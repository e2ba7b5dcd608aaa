import { invariant } from '@lvnet/core';
import { declaredOperations } from '../operation.js';
import { tf } from '../tfjs.js';
import { blockKernels } from './block.js';
import { convolutionKernels } from './convolution.js';
import { depthwiseKernels } from './depthwise.js';
import { elementKernels } from './elements.js';
import { within, type Inputs, type Kernel } from './kernel.js';
import { normalisationKernels } from './normalisation.js';
import * as ops from './ops.js';
import { resamplingKernels } from './resampling.js';

/** Every operation of ours, by the name under which it was declared. */
const own: Readonly<Record<string, Kernel<never>>> = {
  ...convolutionKernels,
  ...depthwiseKernels,
  ...normalisationKernels,
  ...blockKernels,
  ...resamplingKernels,
  ...elementKernels,
};

/** What tfjs itself asks for: sums of gradients, clones, reshaping and constants. */
const general: Readonly<Record<string, Kernel<never>>> = {
  Add: (inputs) => ops.add(inputs.of('a'), inputs.of('b')),
  Identity: (inputs) => ops.reshape(inputs.of('x'), inputs.of('x').shape),
  Fill: (_, { shape, value }: { shape: number[]; value: number }) =>
    tf.tensor(new Float32Array(ops.sizeOf(shape)).fill(value), shape),
  Reshape: (inputs, { shape }: { shape: number[] }) => ops.reshape(inputs.of('x'), shape),
};

/** Registers all operations for the backend. */
export function registerTensorFlowKernels(backendName: string): void {
  for (const name of declaredOperations())
    invariant(own[name] !== undefined, `there is a kernel for ${name}`);
  for (const [kernelName, kernel] of Object.entries({ ...own, ...general })) {
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs }) => within(() => kernel(inputsOf(inputs), attrs as never)),
    });
  }
}

function inputsOf(inputs: tf.NamedTensorInfoMap): Inputs {
  const maybe = (name: string): tf.Tensor | null => (inputs[name] as tf.Tensor | undefined) ?? null;
  return {
    maybe,
    of: (name) => {
      const found = maybe(name);
      invariant(found !== null, `the operation needs an input ${name}`);
      return found;
    },
  };
}
