import { Failure, nearestName } from '@lvnet/core';
import { z } from 'zod';

/** One thing that is wrong with a file, where, and the nearest right name if a name is wrong. */
export interface Problem {
  path: string;
  value: unknown;
  nearest: string | null;
  message: string;
}

/** Zod's issues in the words of an experiment file. */
export function problemsOf(error: z.ZodError, input: unknown, schema: z.ZodType): Problem[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(schema, path);
      return issue.keys.map((key) => unknownField([...path, key], valueAt(input, [...path, key]), known));
    }
    const value = valueAt(input, path);
    const shown = value === undefined ? 'missing' : JSON.stringify(value);
    return [
      {
        path: path.join('.'),
        value,
        nearest: null,
        message: `${path.join('.') || 'the file'} (${shown}): ${issue.message}`,
      },
    ];
  });
}

function unknownField(path: readonly string[], value: unknown, known: readonly string[]): Problem {
  const name = path.at(-1) ?? '';
  const nearest = nearestName(name, known) ?? null;
  const advice = nearest === null ? `known here: ${known.join(', ')}` : `did you mean ${nearest}?`;
  return { path: path.join('.'), value, nearest, message: `${path.join('.')}: unknown field; ${advice}` };
}

function keysAt(schema: z.ZodType, path: readonly string[]): string[] {
  let at: unknown = schema;
  for (const step of path) at = shapeOf(at)?.[step];
  return Object.keys(shapeOf(at) ?? {});
}

/** The fields of an object schema, whatever defaults and options are wrapped around it. */
function shapeOf(schema: unknown): Record<string, unknown> | undefined {
  let at = schema as { shape?: Record<string, unknown>; def?: { innerType?: unknown } } | undefined;
  while (at !== undefined && at.shape === undefined) at = at.def?.innerType as typeof at;
  return at?.shape;
}

function valueAt(input: unknown, path: readonly string[]): unknown {
  let at = input;
  for (const step of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<string, unknown>)[step];
  }
  return at;
}

export function invalid(
  code: 'EXPERIMENT_INVALID' | 'EXPERIMENT_CONTRADICTORY',
  file: string | undefined,
  problems: readonly Problem[],
): Failure {
  const where = file === undefined ? 'The experiment' : file;
  const what = code === 'EXPERIMENT_INVALID' ? 'is not valid' : 'contradicts itself';
  return new Failure(
    code,
    { ...(file === undefined ? {} : { file }), problems },
    {
      message: `${where} ${what}: ${problems.map((problem) => problem.message).join('; ')}.`,
      hint: 'Change the named fields; the README shows a complete example.',
    },
  );
}
