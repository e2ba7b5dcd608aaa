/**
 * A process of its own with little memory (the test sets the limit): a step that fits, one that cannot, the first
 * once more. Prints what became of them.
 */
import { Failure } from '@lvnet/core';
import { openEngine } from '@lvnet/engine';
import { buildNetwork, shardGradient } from './index.js';
import { exampleOf, trainedLike } from './networks.fixture.js';

export interface Outcome {
  code: string;
  bytes: number;
  message: string;
  /** Tensors that the failed step left behind. */
  tensorsLeft: number;
  /** Whether a smaller step gave the same losses before and after the failed one. */
  sameAfter: boolean;
}

const engine = await openEngine({ kind: 'native', threads: 2 });
const network = buildNetwork({ levels: 3, blocksPerStage: 1 });
const weights = trainedLike(network);

function step(size: readonly [number, number, number]): readonly number[] {
  const { image, label } = exampleOf([1, ...size], 2);
  const o = { shape: [1, ...size], eta: [0.4, 0.8], order: 'coarse-to-fine' } as const;
  return shardGradient(engine, network, weights, image, label, o).losses;
}

function failureOf(run: () => unknown): Failure {
  try {
    run();
  } catch (cause) {
    if (cause instanceof Failure) return cause;
    throw cause;
  }
  throw new Error('the large step did not fail');
}

const before = step([4, 16, 16]);
const tensorsBefore = engine.memory().tensorCount;
const failure = failureOf(() => step([16, 512, 512]));
const tensorsLeft = engine.memory().tensorCount - tensorsBefore;
const after = step([4, 16, 16]);
const outcome: Outcome = {
  code: failure.code,
  bytes: Number(failure.details['bytes']),
  message: failure.message,
  tensorsLeft,
  sameAfter: JSON.stringify(before) === JSON.stringify(after),
};
process.stdout.write(JSON.stringify(outcome));
