import { Failure } from '@lvnet/core';
import { z } from 'zod';
import { isBetter } from './early-stop.js';
import type { Experiment } from './experiment.js';
import { invalid, problemsOf } from './problems.js';
import { readChanged, resolveExperiment, setAt, type ParseOptions } from './parse.js';
import type { RunState } from './run-state.js';

const sweepSchema = z.strictObject({
  search: z.strictObject({
    algorithm: z.enum(['grid', 'random', 'sobol', 'tpe']),
    trials: z.number().int().min(1).optional(),
    parallel: z.number().int().min(1).default(1),
    budget: z.record(z.string(), z.unknown()).optional(),
  }),
  objective: z
    .strictObject({
      metric: z.literal('dice').default('dice'),
      direction: z.enum(['maximize', 'minimize']).default('maximize'),
    })
    .prefault({}),
  prune: z.looseObject({ algorithm: z.enum(['none', 'median', 'asha']).default('none') }).prefault({}),
});

export interface Sweep {
  /** The experiment with `{ choice: [...] }` in some places. */
  template: Record<string, unknown>;
  axes: SweepAxis[];
  search: { algorithm: 'grid'; parallel: number };
  objective: { metric: string; direction: 'maximize' | 'minimize' };
  file?: string;
}

export interface SweepAxis {
  /** Dotted path, as in `network.expansionRate`. */
  path: string;
  choice: readonly unknown[];
}

/**
 * Reads a sweep file: an experiment with choices, and how to search.
 *
 * @throws Failure('EXPERIMENT_INVALID')
 */
export function parseSweep(text: string, options: ParseOptions = {}): Sweep {
  const { search, objective, prune, ...template } = readChanged(text, options);
  const input = {
    search,
    ...(objective === undefined ? {} : { objective }),
    ...(prune === undefined ? {} : { prune }),
  };
  const result = sweepSchema.safeParse(input);
  if (!result.success)
    throw invalid('EXPERIMENT_INVALID', options.file, problemsOf(result.error, input, sweepSchema));
  const { data } = result;
  if (data.search.algorithm !== 'grid') throw notYet('search.algorithm', data.search.algorithm, 'grid');
  if (data.prune.algorithm !== 'none') throw notYet('prune.algorithm', data.prune.algorithm, 'none');
  return {
    template,
    axes: axesOf(template, []),
    search: { algorithm: 'grid', parallel: data.search.parallel },
    objective: data.objective,
    ...(options.file === undefined ? {} : { file: options.file }),
  };
}

function notYet(path: string, value: string, instead: string): Failure {
  return new Failure(
    'EXPERIMENT_INVALID',
    { problems: [{ path, value, nearest: instead, message: 'comes in a later version' }] },
    {
      message: `${path} ${value} comes in a later version.`,
      hint: `This version knows ${path}: ${instead}.`,
    },
  );
}

function axesOf(at: unknown, path: readonly string[]): SweepAxis[] {
  if (typeof at !== 'object' || at === null || Array.isArray(at)) return [];
  const keys = Object.keys(at);
  const values = at as Record<string, unknown>;
  if (keys.length === 1 && keys[0] === 'choice')
    return [{ path: path.join('.'), choice: choiceOf(values['choice'], path) }];
  if (keys.includes('range'))
    throw notYet(`${path.join('.')}.range`, JSON.stringify(values['range']), 'choice');
  return keys.flatMap((key) => axesOf(values[key], [...path, key]));
}

function choiceOf(value: unknown, path: readonly string[]): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  const where = `${path.join('.')}.choice`;
  throw new Failure(
    'EXPERIMENT_INVALID',
    { problems: [{ path: where, value, nearest: null, message: 'is not a list with values' }] },
    { message: `${where} is not a list with values.`, hint: 'For example: { choice: [2, 4, 6] }' },
  );
}

export interface GridTrial {
  values: Record<string, unknown>;
  experiment: Experiment;
}

/** Every combination; the last axis changes fastest. */
export function gridTrials(sweep: Sweep): GridTrial[] {
  const combinations = sweep.axes.reduce<Record<string, unknown>[]>(
    (known, axis) =>
      known.flatMap((values) => axis.choice.map((value) => ({ ...values, [axis.path]: value }))),
    [{}],
  );
  return combinations.map((values) => {
    const input = structuredClone(sweep.template);
    for (const [path, value] of Object.entries(values)) setAt(input, path.split('.'), value);
    return { values, experiment: resolveExperiment(input, sweep.file) };
  });
}

/** What a trial came to. */
export interface TrialOutcome {
  run: string;
  values: Record<string, unknown>;
  state: RunState;
  objective: number | null;
  steps: number;
}

/** The finished trial with the best objective; the first of equals. */
export function bestTrial(
  trials: readonly TrialOutcome[],
  objective: { direction: 'maximize' | 'minimize' },
): TrialOutcome | null {
  let best: TrialOutcome | null = null;
  for (const trial of trials) {
    if (trial.state !== 'done' || trial.objective === null) continue;
    const better = best?.objective == null || isBetter(trial.objective, best.objective, objective.direction);
    if (better) best = trial;
  }
  return best;
}
