import { Failure } from '@lvnet/core';
import { contradictionsOf } from './contradictions.js';
import { experimentSchema, withDefaults, type Experiment } from './experiment.js';
import { invalid, problemsOf } from './problems.js';
import { setAt } from './set-at.js';
import { parseYaml } from './yaml.js';

export interface ParseOptions {
  /** Named in messages. */
  file?: string;
  /** Changes as `path=value`, the value being YAML; list items by position, as in `loss.eta.0=0.1`. */
  set?: readonly string[];
}

/**
 * Reads an experiment file: every field known, every default filled in, nothing contradictory.
 *
 * @throws Failure('EXPERIMENT_INVALID' | 'EXPERIMENT_CONTRADICTORY') with `details.problems`, and
 *   Failure('ARGUMENT_INVALID') for a change that is none
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
  const experiment = withDefaults(result.data);
  const contradictions = contradictionsOf(experiment);
  if (contradictions.length > 0) throw invalid('EXPERIMENT_CONTRADICTORY', file, contradictions);
  return experiment;
}

/** The mapping in a YAML (or JSON) text. @throws Failure('EXPERIMENT_INVALID') naming the line */
function readYaml(text: string, file: string | undefined): Record<string, unknown> {
  const read = parseYaml(text);
  const value = 'value' in read ? read.value : undefined;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  const what = 'problem' in read ? read.problem : 'it is not a mapping of names to values';
  throw new Failure(
    'EXPERIMENT_INVALID',
    { ...(file === undefined ? {} : { file }), problems: [] },
    {
      message: `${file ?? 'The experiment'} cannot be read as YAML: ${what}.`,
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
  const read = parseYaml(change.slice(cut + 1));
  if ('problem' in read) {
    throw new Failure(
      'ARGUMENT_INVALID',
      { set: change },
      {
        message: `--set ${change}: the value cannot be read (${read.problem}).`,
        hint: "A list is written as '[1, 2]', in quotes for the shell.",
      },
    );
  }
  setAt(input, change.slice(0, cut).split('.'), read.value);
}
