import { Failure } from '@lvnet/core';
import { parseDocument } from 'yaml';
import { contradictionsOf } from './contradictions.js';
import { experimentSchema, type Experiment } from './experiment.js';
import { invalid, problemsOf } from './problems.js';

export interface ParseOptions {
  /** Named in messages. */
  file?: string;
  /** Changes as `path=value`, the value being YAML. */
  set?: readonly string[];
}

/**
 * Reads an experiment file: every field known, every default filled in, nothing contradictory.
 *
 * @throws Failure('EXPERIMENT_INVALID' | 'EXPERIMENT_CONTRADICTORY') with `details.problems`
 */
export function parseExperiment(text: string, options: ParseOptions = {}): Experiment {
  return resolveExperiment(readChanged(text, options), options.file);
}

/** The text as plain data with the changes applied. */
export function readChanged(text: string, { file, set = [] }: ParseOptions): Record<string, unknown> {
  const input = readYaml(text, file);
  applySettings(input, set);
  return input;
}

export function resolveExperiment(input: unknown, file?: string): Experiment {
  const result = experimentSchema.safeParse(input);
  if (!result.success) {
    throw invalid('EXPERIMENT_INVALID', file, problemsOf(result.error, input, experimentSchema));
  }
  const { training } = result.data;
  const experiment: Experiment = {
    ...result.data,
    training: { ...training, shards: training.shards ?? training.batch },
  };
  const contradictions = contradictionsOf(experiment);
  if (contradictions.length > 0) throw invalid('EXPERIMENT_CONTRADICTORY', file, contradictions);
  return experiment;
}

/** A YAML (or JSON) text as plain data; duplicate keys and syntax errors are errors with their line. */
function readYaml(text: string, file: string | undefined): Record<string, unknown> {
  const document = parseDocument(text, { prettyErrors: true });
  const [error] = document.errors;
  const value: unknown = error === undefined ? document.toJS({ maxAliasCount: 100 }) : undefined;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  const what = error?.message.split('\n')[0] ?? 'it is not a mapping of names to values';
  throw new Failure(
    'EXPERIMENT_INVALID',
    { ...(file === undefined ? {} : { file }), problems: [] },
    {
      message: `${file ?? 'The experiment'} cannot be read as YAML: ${what}`,
      hint: 'The README shows a complete example.',
    },
  );
}

/**
 * Changes values in place, as `--set path=value` does.
 *
 * @throws Failure('ARGUMENT_INVALID')
 */
export function applySettings(input: Record<string, unknown>, set: readonly string[]): void {
  for (const change of set) applyChange(input, change);
}

function applyChange(input: Record<string, unknown>, change: string): void {
  const cut = change.indexOf('=');
  if (cut < 1) {
    throw new Failure(
      'ARGUMENT_INVALID',
      { set: change },
      { message: `--set ${change} is not path=value.`, hint: 'For example: --set network.expansionRate=6' },
    );
  }
  const document = parseDocument(change.slice(cut + 1));
  const [error] = document.errors;
  if (error !== undefined) {
    throw new Failure(
      'ARGUMENT_INVALID',
      { set: change },
      {
        message: `--set ${change}: the value cannot be read (${error.message.split('\n')[0] ?? ''}).`,
        hint: "A list is written as '[1, 2]', in quotes for the shell.",
      },
    );
  }
  const value: unknown = document.toJS();
  setAt(input, change.slice(0, cut).split('.'), value);
}

/** Sets a value at a dotted path, making mappings on the way. */
export function setAt(input: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = input;
  for (const name of path.slice(0, -1)) {
    const next = at[name];
    const isMapping = typeof next === 'object' && next !== null && !Array.isArray(next);
    at = (at[name] = isMapping ? { ...next } : {}) as Record<string, unknown>;
  }
  at[path.at(-1) ?? ''] = value;
}
