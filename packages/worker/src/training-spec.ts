import { networkConfigOf, startOfRun, type RunDocument, type TrainingPlan } from '@lvnet/experiments';
import type { TrainingSpec } from '@lvnet/training';

/** What decides a run's bytes, out of its documents. */
export function trainingSpecOf(document: RunDocument, plan: TrainingPlan): TrainingSpec {
  const { experiment, run } = document;
  const { seed, loss, optimizer, training, data } = experiment;
  return {
    run,
    start: startOfRun(document),
    seed,
    network: networkConfigOf(experiment),
    loss,
    optimizer,
    batch: training.batch,
    shards: training.shards,
    slices: data.patch[0],
    onBadSample: training.onBadSample,
    blocks: data.blocks,
    cases: plan.cases.train,
    stepsPerEpoch: plan.stepsPerEpoch,
    stepsTotal: plan.stepsTotal,
  };
}
