import { canonicalJson, Failure } from '@lvnet/core';
import { z } from 'zod';
import { isBetter } from './early-stop.js';
import type { Experiment } from './experiment.js';
import { indecisiveFields } from './identity.js';
import { invalid, problemsOf, type Problem } from './problems.js';
import { readChanged, resolveExperiment, type ParseOptions } from './parse.js';
import type { RunState } from './run-state.js';
import { setAt } from './set-at.js';

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
  /** The experiment with `{ choice: [...] }` in place of some values, in lists too. */
  template: Record<string, unknown>;
  axes: SweepAxis[];
  search: { algorithm: 'grid'; parallel: number };
  objective: { metric: string; direction: 'maximize' | 'minimize' };
  file?: string;
}

export interface SweepAxis {
  /** Dotted path, as in `network.expansionRate` or `loss.eta.0`. */
  path: string;
  names: readonly string[];
  choice: readonly unknown[];
}

/**
 * Reads a sweep file: an experiment with choices, and how to search.
 *
 * @throws Failure('EXPERIMENT_INVALID' | 'EXPERIMENT_CONTRADICTORY')
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
  const axes = axesOf(template, []);
  const problems = [...idleSettings(data), ...axes.flatMap(problemsOfAxis)];
  if (problems.length > 0) throw invalid('EXPERIMENT_CONTRADICTORY', options.file, problems);
  return {
    template,
    axes,
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

/** Settings that a grid without pruning would not heed. */
function idleSettings({ search, prune }: z.infer<typeof sweepSchema>): Problem[] {
  const { algorithm: _algorithm, ...pruning } = prune;
  const idle: [string, unknown][] = [
    ['search.trials', search.trials],
    ['search.budget', search.budget],
    ...Object.entries(pruning).map(([name, value]): [string, unknown] => [`prune.${name}`, value]),
  ];
  return idle
    .filter(([, value]) => value !== undefined)
    .map(([path, value]) => problem(path, value, 'has no effect: a grid runs every combination to its end'));
}

function problemsOfAxis({ path, choice }: SweepAxis): Problem[] {
  const field = indecisiveFields.find((name) => path === name || path.startsWith(`${name}.`));
  if (field !== undefined) {
    return [
      problem(path, choice, `the trials would be the same run: ${field} does not tell runs of a sweep apart`),
    ];
  }
  const texts = choice.map(canonicalJson);
  const twice = texts.find((text, i) => texts.indexOf(text) !== i);
  return twice === undefined ? [] : [problem(path, choice, `has the value ${twice} twice`)];
}

const problem = (path: string, value: unknown, what: string): Problem => ({
  path,
  value,
  nearest: null,
  message: `${path} (${JSON.stringify(value)}): ${what}`,
});

function axesOf(at: unknown, names: readonly string[]): SweepAxis[] {
  if (typeof at !== 'object' || at === null) return [];
  const values = at as Record<string, unknown>;
  const keys = Object.keys(values);
  const path = names.join('.');
  if (!Array.isArray(at)) {
    if (keys.join() === 'choice') return [{ path, names, choice: choiceOf(values['choice'], path) }];
    if (keys.includes('range') && names.length > 0)
      throw notYet(`${path}.range`, JSON.stringify(values['range']), 'choice');
  }
  return keys.flatMap((key) => axesOf(values[key], [...names, key]));
}

function choiceOf(value: unknown, path: string): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  const where = `${path}.choice`;
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

/** Every combination; the last axis changes fastest. @throws Failure as parseExperiment does */
export function gridTrials(sweep: Sweep): GridTrial[] {
  const combinations = sweep.axes.reduce<unknown[][]>(
    (known, { choice }) => known.flatMap((values) => choice.map((value) => [...values, value])),
    [[]],
  );
  return combinations.map((values) => {
    const input = structuredClone(sweep.template);
    sweep.axes.forEach(({ names }, i) => {
      setAt(input, names, values[i]);
    });
    return {
      values: Object.fromEntries(sweep.axes.map(({ path }, i) => [path, values[i]])),
      experiment: resolveExperiment(input, sweep.file),
    };
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
