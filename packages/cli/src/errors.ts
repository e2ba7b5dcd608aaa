import { asFailure, exitCodeOf, Failure } from '@lvnet/core';
import { CommanderError } from 'commander';

export interface PresentOptions {
  json: boolean;
  debug: boolean;
  /** The command that was given, as data check; for the hint. */
  command: readonly string[];
}

/** --help and --version end the parsing like an error; they are none. */
export const isHelpOrVersion = (error: unknown): boolean =>
  error instanceof CommanderError && error.exitCode === 0;

/**
 * Tells the user what went wrong: message and hint on stderr, or one JSON document on stdout.
 *
 * @returns the exit code
 */
export function present(error: unknown, o: PresentOptions): number {
  const failure = explain(error, o.command);
  const code = exitCodeOf(failure);
  if (o.json) process.stdout.write(`${documentOf(failure)}\n`);
  else process.stderr.write(`${[lineOf(failure, code), failure.hint].filter(Boolean).join('\n')}\n`);
  if (o.debug) process.stderr.write(`${stackOf(error)}\n`);
  return code;
}

/** Every error as a Failure that a user understands. */
export function explain(error: unknown, command: readonly string[]): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof CommanderError) return explainUsage(error, command);
  return explainSystem(error) ?? explainDefect(error);
}

function lineOf(failure: Failure, code: number): string {
  return code === 130 ? `Interrupted. ${failure.message}` : failure.message;
}

function documentOf(failure: Failure): string {
  const { code, message, hint, details } = failure.toJSON();
  return JSON.stringify({ error: { code, message, hint, details } }, asPlainValue, 2);
}

const asPlainValue = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? String(value) : value;

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by ${stackOf(error.cause)}`;
}

/** Commander's "error: unknown option '--x'\n(Did you mean --y?)" in our form. */
function explainUsage(error: CommanderError, command: readonly string[]): Failure {
  const [first = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
  const [what = '', advice] = first.split(/(?<=is invalid(?: for argument '\w+')?)\. /);
  const hint =
    suggestion?.replace(/^\(|\)$/g, '') ?? advice ?? `${['lvnet', ...command].join(' ')} --help shows how.`;
  const message =
    error.code === 'commander.help'
      ? `${command.join(' ')} needs a subcommand.`
      : `${what.charAt(0).toUpperCase()}${what.slice(1).replace(/\.?$/, '.')}`;
  return new Failure('ARGUMENT_INVALID', { usage: error.code }, { message, hint, cause: error });
}

const systemCodes: Readonly<Record<string, ['FILE_NOT_FOUND' | 'ARGUMENT_INVALID' | 'DISK_FULL', string]>> = {
  ENOENT: ['FILE_NOT_FOUND', 'There is no such file or folder'],
  EACCES: ['ARGUMENT_INVALID', 'It may not be read or written'],
  EPERM: ['ARGUMENT_INVALID', 'It may not be read or written'],
  EROFS: ['ARGUMENT_INVALID', 'It lies on a disk that may not be written'],
  EISDIR: ['ARGUMENT_INVALID', 'It is a folder, not a file'],
  ENOTDIR: ['ARGUMENT_INVALID', 'A part of the path is a file, not a folder'],
  EEXIST: ['ARGUMENT_INVALID', 'It is there already and is no folder'],
  ENOSPC: ['DISK_FULL', 'There is no space left'],
  EDQUOT: ['DISK_FULL', 'There is no space left'],
};

/** What the operating system said about a path. */
function explainSystem(error: unknown): Failure | undefined {
  const { code = '', path } = (error ?? {}) as NodeJS.ErrnoException;
  const [failureCode, text] = systemCodes[code] ?? [];
  if (failureCode === undefined || path === undefined) return undefined;
  const hint = failureCode === 'DISK_FULL' ? 'Free some space.' : 'Check the path and its owner.';
  const message = `${path}: ${String(text)} (${code}).`;
  return new Failure(failureCode, { path, system: code }, { message, hint, cause: error });
}

function explainDefect(error: unknown): Failure {
  const { message } = asFailure(error);
  return new Failure(
    'INTERNAL',
    {},
    {
      message: `lvnet failed: ${message}`,
      hint: 'This should not happen. The same command with --debug shows where it did; please report that.',
      cause: error,
    },
  );
}
