import {
  defaultKeepBytes,
  irbHiddenFloats,
  irbSavedFloats,
  type IrbShape,
  type Triple,
} from '@lvnet/kernels';
import type { NetworkConfig } from './config.js';
import { networkOf } from './definitions.js';
import { isTrained, lengthOf } from './parameters.js';
import { planOf, type Plan, type PlannedStep } from './plan.js';

/** Kinds of devices whose memory is known; others will come. */
export const deviceKinds = ['native'] as const;
export type DeviceKind = (typeof deviceKinds)[number];

/** Peak resident bytes of a process that does nothing else. */
export interface MemoryEstimate {
  /** A training step of one shard, weights and optimizer included; the exchange's copies are not. */
  trainingBytes: number;
  /** Of these, what waits for the backward pass. */
  keptBytes: number;
  /** One block of a scan. */
  inferenceBytes: number;
}

/**
 * What a step and a prediction take, by running the plan against a model of the engine's memory: every tensor goes
 * when its last reader is done, arrays are used again by others of the same length only, and what was once taken
 * stays with the process.
 *
 * @param size [slices, rows, columns] of a sample
 * @param samples of a shard, that is on a device at a time
 */
export function memoryOf(
  config: NetworkConfig,
  size: Triple,
  samples = 1,
): Record<DeviceKind, MemoryEstimate> {
  const training = planOf(config, size);
  const inference = planOf(config, size, false);
  const parameterBytes = 4 * parameterCount(training);
  const image = samples * imageBytes(config, size);
  const pass = simulateTraining(training, samples);
  const held = processBytes + image;
  return {
    native: {
      keptBytes: pass.keptBytes,
      trainingBytes:
        held + parameterArrays * parameterBytes + pass.peakBytes + scratchBytes(training, samples, true),
      inferenceBytes:
        processBytes +
        imageBytes(config, size) +
        parameterBytes +
        simulateInference(inference) +
        scratchBytes(inference, 1, false),
    },
  };
}

/** Node with its heap, tfjs and the addon; measured. */
const processBytes = 100 * 2 ** 20;

/**
 * As long as all parameters together: weights, both moments, one gradient per tensor, and the flat one, of which
 * that of the step before still waits for the garbage collector.
 */
const parameterArrays = 6;

const parameterCount = ({ state }: Plan): number =>
  state.filter(isTrained).reduce((sum, { shape }) => sum + lengthOf(shape), 0);

/** The image as it came and as the network takes it, the label twice. */
function imageBytes(config: NetworkConfig, size: Triple): number {
  const channels = networkOf(config).inputChannels;
  return 4 * lengthOf(size) * (1 + 2 + (channels === 1 ? 0 : channels));
}

/** Arrays by length, each used again once it is free: the engine's pool. */
class Pool {
  private readonly free = new Map<number, number>();
  peakFloats = 0;
  private liveFloats = 0;

  take(floats: number): Held {
    const left = this.free.get(floats) ?? 0;
    if (left > 0) this.free.set(floats, left - 1);
    else this.peakFloats += floats;
    this.liveFloats += floats;
    return { floats, holders: 1 };
  }

  drop(held: Held): void {
    if (--held.holders > 0) return;
    this.liveFloats -= held.floats;
    this.free.set(held.floats, (this.free.get(held.floats) ?? 0) + 1);
  }

  get live(): number {
    return this.liveFloats;
  }
}

/** An array and how many hold it. */
interface Held {
  floats: number;
  holders: number;
}

/** The forward pass: arrays of the values that are still held, and what is kept beside them. */
interface Forward {
  values: Map<number, Held>;
  aside: Map<PlannedStep, Held[]>;
}

function simulateTraining(plan: Plan, samples: number): { keptBytes: number; peakBytes: number } {
  const pool = new Pool();
  const forward = runForward(plan, samples, pool, true);
  const gradients = new Map<number, Held>();
  const results = [plan.main, ...plan.heads];
  for (const id of results) addGradient(pool, gradients, id, pool.take(elementsOf(plan, id, samples))); // by the loss
  for (const id of results) pool.drop(forward.values.get(id) as Held);
  const image = samples * lengthOf(plan.values[0]?.size ?? []) * (plan.values[0]?.channels ?? 0);
  const keptBytes = 4 * (pool.live + image);
  for (const step of [...plan.steps].reverse()) {
    const dy = gradients.get(step.output);
    if (dy === undefined) continue; // nobody asks for it
    for (const id of step.inputs) {
      if (id === 0) continue;
      if (step.kind === 'add') dy.holders++;
      const dx = step.kind === 'add' ? dy : pool.take(elementsOf(plan, id, samples));
      addGradient(pool, gradients, id, dx);
    }
    gradients.delete(step.output);
    pool.drop(dy);
    for (const id of step.keeps) if (id !== 0) pool.drop(forward.values.get(id) as Held);
    for (const held of forward.aside.get(step) ?? []) pool.drop(held);
    if (step.output === plan.main) continue;
  }
  return { keptBytes, peakBytes: 4 * pool.peakFloats };
}

/** Sums take the place of what nobody else holds. */
function addGradient(pool: Pool, gradients: Map<number, Held>, id: number, dx: Held): void {
  const before = gradients.get(id);
  if (before === undefined) {
    gradients.set(id, dx);
    return;
  }
  const sole = [before, dx].find(({ holders }) => holders === 1);
  gradients.set(id, sole ?? pool.take(dx.floats));
  for (const used of [before, dx]) if (used !== sole) pool.drop(used);
}

function simulateInference(plan: Plan): number {
  const pool = new Pool();
  runForward(plan, 1, pool, false);
  const probabilities = elementsOf(plan, plan.main, 1) + lengthOf(plan.values[0]?.size ?? []);
  return 4 * (pool.peakFloats + probabilities);
}

function runForward(plan: Plan, samples: number, pool: Pool, training: boolean): Forward {
  const readers = plan.values.map(() => 0);
  const results = [plan.main, ...plan.heads];
  for (const id of [...plan.steps.flatMap(({ inputs }) => inputs), ...results])
    readers[id] = (readers[id] ?? 0) + 1;
  const values = new Map<number, Held>();
  const aside = new Map<PlannedStep, Held[]>();
  const room = { bytes: defaultKeepBytes };
  for (const step of plan.steps) {
    const output = pool.take(elementsOf(plan, step.output, samples));
    values.set(step.output, output);
    const extra = asideOf(plan, step, samples, training ? room : undefined).map((floats) =>
      pool.take(floats),
    );
    if (training) aside.set(step, extra);
    else for (const held of extra) pool.drop(held);
    if (training) for (const id of step.keeps) if (id !== 0) (values.get(id) as Held).holders++;
    for (const id of step.inputs) {
      const left = (readers[id] ?? 0) - 1;
      readers[id] = left;
      if (left === 0 && id !== 0) pool.drop(values.get(id) as Held);
    }
  }
  return { values, aside };
}

function elementsOf({ values }: Plan, id: number, samples: number): number {
  const value = values[id];
  return value === undefined ? 0 : samples * value.channels * lengthOf(value.size);
}

/**
 * Floats that an operation keeps beside tensors: what a block leaves to its gradient, with its hidden tensor while
 * there is room; the places of a pool's winners.
 */
function asideOf(plan: Plan, step: PlannedStep, samples: number, room?: { bytes: number }): number[] {
  if (step.block !== undefined && room !== undefined) {
    const shape = blockShape(step.block, samples);
    const hidden = irbHiddenFloats(shape);
    const kept = 4 * hidden <= room.bytes ? hidden : 0;
    room.bytes -= 4 * kept;
    return [irbSavedFloats(shape) + kept];
  }
  return step.kind === 'maxPool' ? [elementsOf(plan, step.output, samples) / 4] : [];
}

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
