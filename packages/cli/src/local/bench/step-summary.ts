import type { StepPart, StepProfile } from '@lvnet/networks';

/** What a group of operations took; rates are null where nothing is multiplied, or no peak is known. */
export interface Share {
  name: string;
  calls: number;
  seconds: number;
  /** Of the whole step. */
  timeShare: number;
  gflops: number | null;
  /** Of the FMA peak; direct multiply-adds, so that Winograd's may pass 1. */
  peakShare: number | null;
  /** Of the tensors read and written, each once. */
  bytes: number;
}

/** A stage's time by pass. */
interface StageShare extends Share {
  forwardSeconds: number;
  backwardSeconds: number;
}

/** A step as the tables show it. Operations (and stages) with `betweenSeconds` add up to `step.seconds`. */
export interface StepSummary {
  step: Share;
  /** The slowest first. */
  operations: Share[];
  /** In the order in which they first ran. */
  stages: StageShare[];
  /** Neither in an operation nor in the update: tape, sums of gradients, making and copying of arrays. */
  betweenSeconds: number;
}

export function summarise({ durationMs, parts }: StepProfile, peakGflops: number | null): StepSummary {
  const stepSeconds = durationMs / 1000;
  const share = (name: string, group: readonly StepPart[], seconds = secondsOf(group)): Share => {
    const gflops = (2 * sumOf(group, ({ macs }) => macs)) / seconds / 1e9;
    const counts = gflops > 0 && Number.isFinite(gflops);
    return {
      ...{ name, calls: group.length, seconds, timeShare: seconds / stepSeconds },
      gflops: counts ? gflops : null,
      peakShare: counts && peakGflops !== null ? gflops / peakGflops : null,
      bytes: sumOf(group, ({ bytes }) => bytes),
    };
  };
  const operations = grouped(parts, operationName).map(([name, group]) => share(name, group));
  const stages = grouped(parts, stageOf).map(([name, group]) => ({
    ...share(name, group),
    forwardSeconds: secondsOf(group.filter(({ pass }) => pass === 'forward')),
    backwardSeconds: secondsOf(group.filter(({ pass }) => pass === 'backward')),
  }));
  return {
    step: share('step', parts, stepSeconds),
    operations: operations.sort((a, b) => b.seconds - a.seconds),
    stages,
    betweenSeconds: stepSeconds - secondsOf(parts),
  };
}

/** As `convolution, gradient by weights`. */
export function operationName({ operation, pass, by, macs }: StepPart): string {
  if (pass !== 'backward') return operation;
  const input = by.includes('x');
  const which = macs > 0 && input !== by.length > 1 ? (input ? ' by input' : ' by weights') : '';
  return `${operation}, gradient${which}`;
}

/** Layers that begin with the same word belong together. */
export const stageOf = ({ layer }: Pick<StepPart, 'layer'>): string => layer.split('.')[0] ?? layer;

function grouped<T>(items: readonly T[], nameOf: (item: T) => string): [string, T[]][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const known = groups.get(nameOf(item));
    if (known === undefined) groups.set(nameOf(item), [item]);
    else known.push(item);
  }
  return [...groups];
}

const sumOf = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((sum, item) => sum + value(item), 0);

const secondsOf = (parts: readonly StepPart[]): number => sumOf(parts, ({ durationMs }) => durationMs) / 1000;
