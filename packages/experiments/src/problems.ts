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
  return error.issues.flatMap((issue) => problemsIn(issue, [], input, schema));
}

/** @param above where the value lies in which the issue was found */
function problemsIn(
  issue: z.core.$ZodIssue,
  above: readonly string[],
  input: unknown,
  schema: z.ZodType,
): Problem[] {
  const path = [...above, ...issue.path.map(String)];
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, path, input);
    return issue.keys.map((key) => unknownField([...path, key], valueAt(input, [...path, key]), known));
  }
  if (issue.code === 'invalid_union') {
    const meant = issue.errors.find((branch) => !branch.some(isOtherType) && !branch.some(isOtherName));
    if (meant !== undefined) return meant.flatMap((inner) => problemsIn(inner, path, input, schema));
    const names = issue.errors
      .flat()
      .filter(isOtherName)
      .flatMap(({ values }) => values.map(String));
    if (names.length > 0) return [unknownName([...path, 'name'], valueAt(input, [...path, 'name']), names)];
  }
  const value = valueAt(input, path);
  const message = `${path.join('.') || 'the file'} (${shown(value)}): ${messageOf(issue)}`;
  return [{ path: path.join('.'), value, nearest: null, message }];
}

const shown = (value: unknown): string =>
  value === undefined ? 'missing' : typeof value === 'number' ? String(value) : JSON.stringify(value);

/** Of several alternatives the one is meant whose type the value has. */
const isOtherType = (issue: z.core.$ZodIssue): boolean =>
  issue.code === 'invalid_type' && issue.path.length === 0;

/** Or whose name it has. */
const isOtherName = (issue: z.core.$ZodIssue): issue is z.core.$ZodIssueInvalidValue =>
  issue.code === 'invalid_value' && issue.path.length === 1 && issue.path[0] === 'name';

function unknownName(path: readonly string[], value: unknown, names: readonly string[]): Problem {
  const nearest = (typeof value === 'string' ? nearestName(value, names) : undefined) ?? null;
  const advice = nearest === null ? `known: ${names.join(', ')}` : `did you mean ${nearest}?`;
  const message = `${path.join('.')} (${shown(value)}): there is none of that name; ${advice}`;
  return { path: path.join('.'), value, nearest, message };
}

function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_union') return issue.message;
  const expected = issue.errors
    .flat()
    .flatMap((inner) => (inner.code === 'invalid_type' ? [inner.expected] : []));
  return `${issue.message}: expected ${expected.join(' or ')}`;
}

function unknownField(path: readonly string[], value: unknown, known: readonly string[]): Problem {
  const name = path.at(-1) ?? '';
  const nearest = nearestName(name, known) ?? null;
  const advice = nearest === null ? `known here: ${known.join(', ')}` : `did you mean ${nearest}?`;
  return { path: path.join('.'), value, nearest, message: `${path.join('.')}: unknown field; ${advice}` };
}

function keysAt(schema: z.ZodType, path: readonly string[], input: unknown): string[] {
  let at: unknown = schema;
  for (const [i, step] of path.entries()) at = shapeOf(at, valueAt(input, path.slice(0, i)))?.[step];
  return Object.keys(shapeOf(at, valueAt(input, path)) ?? {});
}

interface SchemaParts {
  shape?: Record<string, z.ZodType>;
  def?: { innerType?: unknown; options?: readonly unknown[] };
}

/**
 * The fields of an object schema, whatever defaults, options and alternatives are wrapped around it; of
 * alternatives with names those of the one that the value names.
 */
function shapeOf(schema: unknown, value: unknown): Record<string, z.ZodType> | undefined {
  const { shape, def } = (schema ?? {}) as SchemaParts;
  if (shape !== undefined) return shape;
  const inside = def?.options ?? (def?.innerType === undefined ? [] : [def.innerType]);
  const shapes = inside.map((one) => shapeOf(one, value)).filter((found) => found !== undefined);
  const { name } = (value ?? {}) as { name?: unknown };
  const isNamed = (found: Record<string, z.ZodType>) => found['name']?.safeParse(name).success === true;
  return shapes.find(isNamed) ?? shapes[0];
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
  const where = file ?? 'The experiment';
  const what = code === 'EXPERIMENT_INVALID' ? 'is not valid' : 'contradicts itself';
  return new Failure(
    code,
    { ...(file === undefined ? {} : { file }), problems },
    {
      message: `${where} ${what}: ${problems.map((problem) => problem.message).join('; ')}.`.replace(
        /\?\.$/,
        '?',
      ),
      hint: 'Change the named fields; the README shows a complete example.',
    },
  );
}
