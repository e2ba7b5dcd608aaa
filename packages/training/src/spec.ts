import type { NetworkConfig } from '@lvnet/networks';

/** Everything that decides the bytes of a run, and nothing else: no worker, no clock, no path. */
export interface TrainingSpec {
  run: string;
  /** The run's checkpoint that it starts from and that nothing else can give again; null: drawn weights. */
  start: { step: number; digest: string } | null;
  seed: number;
  network: NetworkConfig;
  loss: { eta: readonly number[]; order: 'coarse-to-fine' | 'fine-to-coarse' };
  optimizer: {
    learningRate: number;
    /** The learning rate of epoch e is learningRate * decayPerEpoch^(e - 1). */
    decayPerEpoch: number;
    weightDecay: number;
    clipNorm?: number | undefined;
  };
  batch: number;
  /** The batch is cut into this many equal parts whatever the number of workers. */
  shards: number;
  slices: number;
  /** What to do with samples whose gradient or loss cannot be used: a run may leave them out. */
  onBadSample: 'stop' | 'skip';
  blocks: 'all' | 'liver';
  cases: readonly TrainingCase[];
  stepsPerEpoch: number;
  stepsTotal: number;
}

export interface TrainingCase {
  case: string;
  /** Name of the prepared object and SHA-256 of its bytes. */
  prepared: string;
  sha256: string;
  depth: number;
  liver: readonly [number, number] | null;
}

/** Step s (1-based) lies in epoch 1, 2, ...; step 0, the initial weights, in epoch 0. */
export function epochOf(spec: Pick<TrainingSpec, 'stepsPerEpoch'>, step: number): number {
  return Math.ceil(step / spec.stepsPerEpoch);
}

/** By repeated multiplication: Math.pow is not the same on every machine. */
export function learningRateAt(spec: TrainingSpec, step: number): number {
  let rate = spec.optimizer.learningRate;
  for (let epoch = 1; epoch < epochOf(spec, step); epoch++) rate *= spec.optimizer.decayPerEpoch;
  return rate;
}

/** After these steps a checkpoint is always written: at every epoch's end, and at the end. */
export function closesEpoch(spec: Pick<TrainingSpec, 'stepsPerEpoch' | 'stepsTotal'>, step: number): boolean {
  if (step === 0) return false;
  return step % spec.stepsPerEpoch === 0 || step === spec.stepsTotal;
}
