import { defaultKeepBytes, irbHiddenFloats, irbSavedFloats, type IrbShape } from '@lvnet/kernels';
import { elementsOf, simulateInference, simulateTraining, type DeviceMemory } from './memory-passes.js';
import { lengthOf } from './parameters.js';
import type { Plan, PlannedStep } from './plan.js';

/** Node with its heap, tfjs and the addon; measured. */
export const nativeProcessBytes = { training: 100 * 2 ** 20, inference: 80 * 2 ** 20 };

/**
 * As long as all parameters together. In training: weights, both moments, one gradient per tensor, and the flat one,
 * of which that of the step before still waits for the garbage collector.
 */
export const nativeParameterArrays = { training: 6, inference: 1 };

/** Bytes of tensors and workspaces of a training step; what was once taken stays with the process. */
export function nativeTraining(plan: Plan, samples: number): { bytes: number; keptBytes: number } {
  const pool = createPool(plan, samples);
  const kept = simulateTraining(plan, samples, pool);
  return { keptBytes: 4 * kept, bytes: 4 * pool.peak + scratchBytes(plan, samples, true) };
}

/** Of a prediction of one block of a scan. */
export function nativeInference(plan: Plan): number {
  const pool = createPool(plan, 1);
  simulateInference(plan, pool);
  return 4 * pool.peak + scratchBytes(plan, 1, false);
}

/** Arrays by length, each used again once it is free: the engine's pool. Workspaces of kernels are counted apart. */
function createPool(plan: Plan, samples: number): DeviceMemory {
  const free = new Map<number, number>();
  let [live, peak, roomBytes] = [0, 0, defaultKeepBytes];
  return {
    addsInPlace: true,
    get live() {
      return live;
    },
    get peak() {
      return peak;
    },
    take(floats) {
      const left = free.get(floats) ?? 0;
      if (left > 0) free.set(floats, left - 1);
      else peak += wholePages(floats);
      live += floats;
      return { floats, holders: 1 };
    },
    drop(held) {
      if (--held.holders > 0) return;
      live -= held.floats;
      free.set(held.floats, (free.get(held.floats) ?? 0) + 1);
    },
    keeps: ({ keeps }) => keeps,
    /** What a block leaves to its gradient, with its hidden tensor while there is room; a pool's winners' places. */
    aside(step, training) {
      if (step.block !== undefined && training) {
        const shape = blockShape(step.block, samples);
        const hidden = irbHiddenFloats(shape);
        const kept = 4 * hidden <= roomBytes ? hidden : 0;
        roomBytes -= 4 * kept;
        return [irbSavedFloats(shape) + kept];
      }
      return step.kind === 'maxPool' ? [elementsOf(plan, step.output, samples) / 4] : [];
    },
    during: () => undefined,
  };
}

const hugePageFloats = 2 ** 19;

/** Large arrays are made of pages of 2 MiB, of which the last counts as a whole. */
const wholePages = (floats: number): number =>
  floats < hugePageFloats ? floats : Math.ceil(floats / hugePageFloats) * hugePageFloats;

type Block = NonNullable<PlannedStep['block']>;

function blockShape({ size: [d, h, w], ...block }: Block, n: number): IrbShape {
  return { n, d, h, w, ...block };
}

/** Workspaces of the kernels, which grow to the largest operation and stay. */
function scratchBytes(plan: Plan, samples: number, training: boolean): number {
  const largest = (floats: (step: PlannedStep) => number) => Math.max(0, ...plan.steps.map(floats));
  const padded = (columns: number) => Math.ceil(columns / 16) * 16;
  const packed = largest(({ convolution: c }) => (c === undefined ? 0 : c.depth * padded(c.columns)));
  const partials = largest(({ convolution: c }) => {
    if (c === undefined || !training) return 0;
    const parts = Math.max(
      1,
      Math.min(Math.ceil((samples * c.rows) / 192), Math.ceil(32 / Math.ceil(c.depth / 256))),
    );
    return parts * c.depth * padded(c.columns);
  });
  // A hidden tensor for all blocks that keep none; gradients of the projection; sums of the input by groups.
  const block = largest(({ block: b }) => {
    if (b === undefined) return 0;
    const floats = samples * lengthOf(b.size) * b.c;
    const groups = Math.ceil(b.expanded / (16 * blocksPerGroup));
    if (!training) return groups > 1 ? groups * floats : 0;
    return irbHiddenFloats(blockShape(b, samples)) + (1 + groups) * floats;
  });
  return 4 * (packed + partials + block);
}

/** Blocks of sixteen channels that one walk of the kernels takes along. */
const blocksPerGroup = 4;
