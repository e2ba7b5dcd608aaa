import type { RunDocument, TrainingPlan } from '@lvnet/experiments';
import type { TrainingSpec } from '@lvnet/training';

/** What decides a run's bytes, out of its documents. */
export function trainingSpecOf({ experiment, run }: RunDocument, plan: TrainingPlan): TrainingSpec {
  const { seed, network, loss, optimizer, training, data } = experiment;
  return {
    run,
    seed,
    network,
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
