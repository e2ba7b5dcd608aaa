import { lengthOf } from './parameters.js';
import type { Plan, PlannedStep } from './plan.js';

/** How a kind of device holds what the passes make; lengths in floats. */
export interface DeviceMemory {
  take(floats: number): Held;
  drop(held: Held): void;
  /** What is held now, and the most that ever was taken. */
  readonly live: number;
  readonly peak: number;
  /** Values that an operation's gradient needs. */
  keeps(step: PlannedStep): readonly number[];
  /** What an operation keeps for its gradient beside tensors. */
  aside(step: PlannedStep, training: boolean): readonly number[];
  /** Told of what an operation needs while it runs, beside what it reads and returns. */
  during(step: PlannedStep, pass: 'forward' | 'backward'): void;
  /** Whether a sum of gradients may take the place of one that nobody else holds. */
  readonly addsInPlace: boolean;
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

/**
 * Runs the plan of a training step against a device's memory: every tensor goes when its last reader is done.
 *
 * @returns floats that wait for the backward pass
 */
export function simulateTraining(plan: Plan, samples: number, device: DeviceMemory): number {
  const forward = runForward(plan, samples, device, true);
  const gradients = new Map<number, Held>();
  const results = [plan.main, ...plan.heads];
  for (const id of results) addGradient(device, gradients, id, device.take(elementsOf(plan, id, samples))); // by the loss
  for (const id of results) device.drop(forward.values.get(id) as Held);
  const image = samples * lengthOf(plan.values[0]?.size ?? []) * (plan.values[0]?.channels ?? 0);
  const kept = device.live + image;
  for (const step of [...plan.steps].reverse()) {
    const dy = gradients.get(step.output);
    if (dy === undefined) continue; // nobody asks for it
    const made: [number, Held][] = [];
    for (const id of step.inputs) {
      if (id === 0) continue;
      const isHandedOn = step.handsOn.includes(id);
      if (isHandedOn) dy.holders++;
      made.push([id, isHandedOn ? dy : device.take(elementsOf(plan, id, samples))]);
    }
    device.during(step, 'backward');
    for (const [id, dx] of made) addGradient(device, gradients, id, dx);
    gradients.delete(step.output);
    device.drop(dy);
    for (const id of device.keeps(step)) if (id !== 0) device.drop(forward.values.get(id) as Held);
    for (const held of forward.aside.get(step) ?? []) device.drop(held);
  }
  return kept;
}

function addGradient(device: DeviceMemory, gradients: Map<number, Held>, id: number, dx: Held): void {
  const before = gradients.get(id);
  if (before === undefined) {
    gradients.set(id, dx);
    return;
  }
  const sole = device.addsInPlace ? [before, dx].find(({ holders }) => holders === 1) : undefined;
  gradients.set(id, sole ?? device.take(dx.floats));
  for (const used of [before, dx]) if (used !== sole) device.drop(used);
}

/** Runs the plan of a prediction of one block of a scan against a device's memory. */
export function simulateInference(plan: Plan, device: DeviceMemory): void {
  runForward(plan, 1, device, false);
}

function runForward(plan: Plan, samples: number, device: DeviceMemory, training: boolean): Forward {
  const readers = plan.values.map(() => 0);
  const results = [plan.main, ...plan.heads];
  for (const id of [...plan.steps.flatMap(({ inputs }) => inputs), ...results])
    readers[id] = (readers[id] ?? 0) + 1;
  const values = new Map<number, Held>();
  const aside = new Map<PlannedStep, Held[]>();
  for (const step of plan.steps) {
    values.set(step.output, device.take(elementsOf(plan, step.output, samples)));
    device.during(step, 'forward');
    const extra = device.aside(step, training).map((floats) => device.take(floats));
    if (training) aside.set(step, extra);
    else for (const held of extra) device.drop(held);
    if (training) for (const id of device.keeps(step)) if (id !== 0) (values.get(id) as Held).holders++;
    for (const id of step.inputs) {
      const left = (readers[id] ?? 0) - 1;
      readers[id] = left;
      if (left === 0 && id !== 0) device.drop(values.get(id) as Held);
    }
  }
  return { values, aside };
}

/** Of one value, for all samples. */
export function elementsOf({ values }: Plan, id: number, samples: number): number {
  const value = values[id];
  return value === undefined ? 0 : samples * value.channels * lengthOf(value.size);
}
