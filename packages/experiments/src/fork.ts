import { Failure } from '@lvnet/core';
import { experimentDifferences } from './differences.js';
import type { RunDocument, TrainingPlan } from './documents.js';
import type { Experiment } from './experiment.js';
import { parseExperiment } from './parse.js';
import type { Problem } from './problems.js';

/**
 * The experiment of a run that goes on from another one's step: the same but for the given changes, and named
 * after it.
 *
 * @throws Failure('EXPERIMENT_CONTRADICTORY') for what cannot change in the middle of a run, and what
 *   `parseExperiment` throws
 */
export function forkedExperiment(
  parent: Pick<RunDocument, 'name' | 'experiment'>,
  plan: Pick<TrainingPlan, 'stepsPerEpoch'>,
  { step, set }: { step: number; set: readonly string[] },
): Experiment {
  const named = { ...parent.experiment, name: nameAt(parent.name, step) };
  const forked = parseExperiment(JSON.stringify(named), { set });
  const problems = experimentDifferences(parent.experiment, forked).flatMap(({ path, b }) => {
    const why = whyNot(path, step, plan.stepsPerEpoch);
    return why === undefined ? [] : [problem(path, b, why)];
  });
  const { epochs } = forked.training;
  if (epochs * plan.stepsPerEpoch <= step) {
    const text = `the run would be over after step ${String(epochs * plan.stepsPerEpoch)}, it starts after step ${String(step)}`;
    problems.push(problem('training.epochs', epochs, text));
  }
  if (problems.length > 0) throw refused(step, problems);
  return forked;
}

const nameLimit = 64;

function nameAt(name: string, step: number): string {
  const suffix = `-at-${String(step)}`;
  return `${name.slice(0, nameLimit - suffix.length)}${suffix}`;
}

/** Why a field must stay as it is. */
function whyNot(path: string, step: number, stepsPerEpoch: number): string | undefined {
  if (path.startsWith('network.')) {
    return `cannot change: the weights after step ${String(step)} are those of the network as it was`;
  }
  if (path === 'training.batch' || (path.startsWith('data.') && path !== 'data.root')) {
    return 'cannot change: it decides which samples the steps of an epoch take';
  }
  if (path === 'seed' && step % stepsPerEpoch !== 0) {
    return `can change at the end of an epoch only (a step that divides by ${String(stepsPerEpoch)}): it decides which samples its steps take`;
  }
  return undefined;
}

const problem = (path: string, value: unknown, why: string): Problem => ({
  ...{ path, value, nearest: null },
  message: `${path} (${JSON.stringify(value)}): ${why}`,
});

function refused(step: number, problems: readonly Problem[]): Failure {
  const all = problems.map(({ message }) => message).join('; ');
  return new Failure(
    'EXPERIMENT_CONTRADICTORY',
    { step, problems },
    {
      message: `A fork after step ${String(step)} is not possible so: ${all}.`,
      hint: 'Leave these changes out, or submit a new run with them.',
    },
  );
}
