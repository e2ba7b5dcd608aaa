import { Failure } from '@lvnet/core';

/** What all members of a life must have alike, by what it is called. */
export type Terms = Readonly<Record<string, string>>;

/** Where two terms differ, in words; those that only one side knows count too. */
export function differencesOf(own: Terms, theirs: Terms): string[] {
  const names = [...new Set([...Object.keys(own), ...Object.keys(theirs)])].sort();
  return names
    .filter((name) => own[name] !== theirs[name])
    .map(
      (name) =>
        `its ${name} is ${own[name] ?? 'not known'}, that of the members ${theirs[name] ?? 'not known'}`,
    );
}

export function parseTerms(text: string): Terms | undefined {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === 'object' && found !== null ? (found as Terms) : undefined;
  } catch {
    return undefined;
  }
}

export function unsuitable(worker: string, differences: readonly string[]): Failure {
  return new Failure(
    'WORKER_UNSUITABLE',
    { worker, differences },
    {
      message: `${worker} cannot be a member: ${differences.join('; ')}.`,
      hint: 'Give all workers of a run the same lvnet and the same kind of engine.',
    },
  );
}
