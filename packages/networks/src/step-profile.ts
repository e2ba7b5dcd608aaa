import { profile, type Engine, type OperationFact } from '@lvnet/engine';
import { adamUpdate, type AdamState } from './adam.js';
import type { Network } from './network.js';
import { shardGradient, type ShardOptions } from './shard-gradient.js';
import { applyStatistics, type Weights } from './weights.js';

/** An operation of a step; `update` follows the backward pass. */
export type StepPart = Omit<OperationFact, 'pass'> & { pass: 'forward' | 'backward' | 'update' };

/** A training step of one shard, part by part in the order in which they ran. */
export interface StepProfile {
  startMs: number;
  /** The whole step; what it has more than its parts lies between operations. */
  durationMs: number;
  /** Loss of the step, so that what is measured can be judged. */
  loss: number;
  parts: StepPart[];
}

/** Weights, their gradient and both moments are read, all but the gradient written. */
const adamBytes = 7 * 4;

/**
 * Does one training step as a worker alone does (gradients of a shard, Adam, running statistics) and measures its
 * operations. Weights and moments change.
 *
 * @throws Failure('SHAPE_MISMATCH' | 'WEIGHTS_MISMATCH')
 */
export function profileStep(
  engine: Engine,
  network: Network,
  state: { weights: Weights; adam: AdamState },
  image: Float32Array,
  label: Int32Array,
  o: ShardOptions,
): StepProfile {
  const { weights, adam } = state;
  const startMs = performance.now();
  const { result: found, facts } = profile(() => shardGradient(engine, network, weights, image, label, o));
  const parts: StepPart[] = facts;
  const update = (operation: string, bytes: number, run: () => void) => {
    const startedMs = performance.now();
    run();
    const durationMs = performance.now() - startedMs;
    const none = { by: [], macs: 0 };
    parts.push({
      ...none,
      layer: 'update',
      operation,
      pass: 'update',
      startMs: startedMs,
      durationMs,
      bytes,
    });
  };
  update('adam', adamBytes * network.gradientLength, () => {
    const rates = { learningRate: 0.001, weightDecay: 0.00001 };
    adamUpdate(engine.kernels, weights.parameters, found.gradients, adam, rates);
  });
  update('running statistics', 12 * network.statisticsLength, () => {
    applyStatistics(weights, found.statistics);
  });
  return { startMs, durationMs: performance.now() - startMs, loss: found.losses[0] ?? Number.NaN, parts };
}
