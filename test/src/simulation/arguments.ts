import { parseArgs } from 'node:util';

export interface SimulationArguments {
  seed: number | undefined;
  count: number | undefined;
  from: number;
  cluster: boolean;
  shrink: boolean;
  first: boolean;
  json: boolean;
  help: boolean;
}

const numbers = ['--seed', '--count', '--from'];

/** What was asked for; a text: why that is nothing. */
export function readArguments(args: readonly string[]): SimulationArguments | string {
  try {
    const { seed, count, from, ...flags } = parse(args);
    return {
      ...{ cluster: false, shrink: false, first: false, json: false, help: false, ...flags },
      seed: seed === undefined ? undefined : whole('--seed', seed),
      count: count === undefined ? undefined : whole('--count', count),
      from: from === undefined ? 1 : whole('--from', from),
    };
  } catch (error) {
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    return line;
  }
}

function parse(args: readonly string[]) {
  // What comes behind the name of a number is meant for it, also where it begins with a dash.
  const joined = args.flatMap((arg, i) => {
    if (numbers.includes(args[i - 1] ?? '')) return [];
    const next = args[i + 1];
    return numbers.includes(arg) && next !== undefined ? [`${arg}=${next}`] : [arg];
  });
  const { values } = parseArgs({
    args: joined,
    options: {
      seed: { type: 'string' },
      cluster: { type: 'boolean' },
      shrink: { type: 'boolean' },
      count: { type: 'string' },
      from: { type: 'string' },
      first: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  return values;
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new Error(`${name} has to be a whole number, 0 or more, not ${JSON.stringify(text)}.`);
}
