import { createRequire } from 'node:module';
import type * as yaml from 'yaml';

/** Seventy files, which only those load who read an experiment. */
const loadYaml = () => require('yaml') as typeof yaml;
const require = createRequire(import.meta.url);

/** Aliases may repeat a part so many times; more is an attack, or at least no experiment. */
const mostAliases = 100;
const deepest = 100;

/**
 * A YAML (or JSON) text as plain data, or what is wrong with it in one line. Duplicate keys, unknown tags and
 * aliases that grow without bounds are wrong.
 */
export function parseYaml(text: string): { value: unknown } | { problem: string } {
  if (isTooDeep(text)) return { problem: `it is nested more than ${String(deepest)} levels deep` };
  try {
    const document = loadYaml().parseDocument(text, { prettyErrors: true });
    const [error] = [...document.errors, ...document.warnings];
    if (error !== undefined) return { problem: firstLine(error.message) };
    const value: unknown = document.toJS({ maxAliasCount: mostAliases });
    JSON.stringify(value); // throws when an alias lies within what it stands for
    return { value };
  } catch (error) {
    return { problem: firstLine(error instanceof Error ? error.message : String(error)) };
  }
}

/** The parser recurses: near the end of the stack V8 aborts the whole process instead of throwing. */
function isTooDeep(text: string): boolean {
  let open = 0;
  for (const character of text) {
    if (character === '[' || character === '{') open++;
    else if (character === ']' || character === '}') open = Math.max(0, open - 1);
    if (open > deepest) return true;
  }
  const blocks = new RegExp(`^(?:[-?:]? ){${String(2 * deepest)}}`, 'm');
  return blocks.test(text);
}

const firstLine = (message: string): string => (message.split('\n')[0] ?? '').replace(/:$/, '');
