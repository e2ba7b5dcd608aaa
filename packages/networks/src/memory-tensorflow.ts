import { elementsOf, simulateInference, simulateTraining, type DeviceMemory } from './memory-passes.js';
import { lengthOf, parameterCount } from './parameters.js';
import type { Plan, PlannedStep } from './plan.js';

/**
 * Node with its heap, tfjs and TensorFlow's library for processors; measured: 388 MiB on an Intel Sapphire Rapids, 415 on
 * an AMD EPYC, for which the library brings other code.
 */
export const tensorflowProcessBytes = 400 * 2 ** 20;

/**
 * On the host, as long as all parameters together: as the native engine has them, but for the gradient per tensor. In a
 * prediction what making tensors of the weights leaves to the allocator too: 0 to 1, as it happens.
 */
export const tensorflowParameterArrays = { training: 5, inference: 1.5 };

/** Bytes of the tensors that live at the same time at most in a training step. */
export function tensorflowTraining(plan: Plan, samples: number): { bytes: number; keptBytes: number } {
  const tensors = createTensors(plan, samples, true);
  const kept = simulateTraining(plan, samples, tensors);
  return { keptBytes: 4 * kept, bytes: 4 * tensors.peak };
}

/** Of a prediction of one block of a scan. */
export function tensorflowInference(plan: Plan): number {
  const tensors = createTensors(plan, 1, false);
  simulateInference(plan, tensors);
  return 4 * tensors.peak;
}

/** Every tensor has its own memory, which goes with it. Weights and their gradients stay once they are there. */
function createTensors(plan: Plan, samples: number, training: boolean): DeviceMemory {
  const image = elementsOf(plan, 0, samples);
  let live = image + (training ? parameterCount(plan) : 0);
  let peak = live;
  let left = parameterCount(plan); // of weights in a prediction, of their gradients in training
  const keepWeights = (step: PlannedStep) => {
    const more = Math.min(left, weightsIn(step)); // a layer that is called twice has one weight
    left -= more;
    live += more;
  };
  const reach = (floats: number) => (peak = Math.max(peak, floats));
  return {
    addsInPlace: false,
    get live() {
      return live;
    },
    get peak() {
      return peak;
    },
    take(floats) {
      live += floats;
      reach(live);
      return { floats, holders: 1 };
    },
    drop(held) {
      if (--held.holders === 0) live -= held.floats;
    },
    keeps: ({ kind, keeps, inputs, output }) => (kind === 'maxPool' ? [...inputs, output] : keeps),
    aside: () => [],
    during(step, pass) {
      const [x = 0, y = 0] = [step.inputs[0] ?? 0, step.output].map((id) => elementsOf(plan, id, samples));
      const finished = !training && step.kind === 'convolution' ? y : 0; // before its activation, or what scales it
      reach(live + finished + (pass === 'forward' ? forward : backward)(step, x, y, samples));
      if (!training || pass === 'backward') keepWeights(step);
    },
  };
}

type Scratch = (step: PlannedStep, x: number, y: number, samples: number) => number;

/** Of a block's hidden tensors. */
const hidden = ({ block }: PlannedStep, samples: number): number =>
  block === undefined ? 0 : samples * lengthOf(block.size) * block.expanded;

const weightsIn = ({ convolution, block }: PlannedStep): number =>
  convolution?.weights ?? (block === undefined ? 0 : block.expanded * (2 * block.c + block.k ** 3));

/**
 * Floats beside inputs and output while an operation runs. x, y: elements of its first input and of its output.
 * Kernels are turned into TensorFlow's layout; a normalisation holds the centred input, a product and the result
 * before its activation; a depthwise convolution a copy with zeros around it, one tap's slices, their convolution, and
 * two sums; resizing onto something what it adds. Found by following TensorFlow's tensors through steps.
 */
const forward: Scratch = (step, x, y, samples) => {
  switch (step.kind) {
    case 'convolution':
      return y + weightsIn(step); // y before its bias is added
    case 'norm':
    case 'groupNorm':
      return 2 * x;
    case 'block':
      return 6 * hidden(step, samples);
    case 'maxPool':
      return x;
    case 'resize':
      return step.inputs.length > 1 ? y : y / 2;
    default:
      return 0;
  }
};

/**
 * The same while its gradient runs. A block's normalises back while the hidden tensors of both activations and both
 * centred ones wait: eight such tensors by following them, twelve by what the process takes. That of a pool goes through its windows voxel by voxel and adds up at the end.
 */
const backward: Scratch = (step, x, y, samples) => {
  switch (step.kind) {
    case 'convolution':
      return 2 * weightsIn(step);
    case 'norm':
      return 5 * x;
    case 'groupNorm':
      return 6 * x;
    case 'block':
      return 12 * hidden(step, samples) + 3 * x;
    case 'maxPool':
      return 3 * (step.pool?.window ?? 0) * y + 4 * x;
    case 'prelu':
      return 3 * x;
    case 'resize':
      return y / 2;
    default:
      return 0;
  }
};
