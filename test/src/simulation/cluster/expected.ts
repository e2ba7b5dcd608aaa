import { earlyStop, type RunDocument, type Verdict } from '@lvnet/experiments';
import { toyDice } from './toy-tasks.js';

/** Two cases of two blocks each in batches of two. */
const stepsPerEpoch = 2;

/** Where a run ends and what is best of it when nothing goes wrong. */
export function expectedEnd({ run, experiment, split }: RunDocument): {
  step: number;
  best: Verdict['best'];
} {
  const { epochs, stop } = experiment.training;
  const patience = stop?.patience ?? Number.POSITIVE_INFINITY;
  const history: { epoch: number; value: number | null }[] = [];
  let last = epochs;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    history.push({ epoch, value: meanDice(run, epoch * stepsPerEpoch, split.validation) });
    const isJudged = stop !== undefined && epoch < epochs - 1;
    // A verdict acts at the end of the next epoch.
    if (isJudged && earlyStop(history, { patience, direction: 'maximize' }).stop)
      last = Math.min(last, epoch + 1);
  }
  const { best } = earlyStop(history.slice(0, last), { patience, direction: 'maximize' });
  return {
    step: last * stepsPerEpoch,
    best: best === null ? null : { epoch: best.epoch, step: best.epoch * stepsPerEpoch, dice: best.value },
  };
}

function meanDice(run: string, step: number, cases: RunDocument['split']['validation']): number | null {
  if (cases.length === 0) return null;
  const values = cases.map((item) => toyDice(run, step, item.case));
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
