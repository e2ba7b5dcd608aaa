import { readArguments } from './arguments.js';
import { isHelpOrVersion, present } from './errors.js';
import { guardOutput } from './output.js';
import { commandPath, createProgram } from './program.js';

/**
 * The command line: parses the arguments, runs one command and sets the exit code (0 done, 1 failed, 2 the
 * user's mistake, 130 interrupted). Never throws.
 */
export async function main(argv: readonly string[]): Promise<void> {
  guardOutput();
  const { words, json, debug } = readArguments(argv);
  let command: readonly string[] = [];
  const fail = (error: unknown) => {
    process.exitCode = present(error, { json, debug, command });
  };
  process.on('uncaughtException', (error) => {
    fail(error);
    process.exit();
  });
  try {
    const program = createProgram(words);
    command = commandPath(program, words);
    if (words.length === 0) program.outputHelp();
    else await program.parseAsync([...words], { from: 'user' });
  } catch (error) {
    if (!isHelpOrVersion(error)) fail(error);
  }
}
