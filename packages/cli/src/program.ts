import { readFileSync } from 'node:fs';
import { Failure, nearestName } from '@lvnet/core';
import { Command } from 'commander';
import { registerClusterCommands } from './cluster/register.js';
import { registerLocalCommands } from './local/register.js';

/** The order of `lvnet --help`. */
const groups: readonly [heading: string, names: readonly string[]][] = [
  ['Start here:', ['demo', 'up']],
  ['Data:', ['data', 'volume']],
  ['Experiments:', ['run', 'sweep', 'ls', 'status', 'watch', 'pause', 'resume', 'cancel']],
  ['Results:', ['predict', 'evaluate', 'export']],
  ['Proof:', ['audit', 'fork', 'diff']],
  ['Networks:', ['networks', 'init', 'trace', 'bench']],
  ['Running a cluster:', ['coordinator', 'worker', 'setup']],
];

/**
 * The program with every command.
 *
 * @param words the command line
 * @throws Failure('ARGUMENT_INVALID') for an unknown command, with the nearest name
 */
export function createProgram(words: readonly string[]): Command {
  const wanted = words.find((word) => !word.startsWith('-'));
  const program = emptyProgram();
  const all = [...collect(registerLocalCommands), ...collect(registerClusterCommands)];
  // commander would take a command's own --version for ours
  const own = all.find((item) => item.name() === wanted)?.options ?? [];
  if (!own.some(({ long }) => long === '--version'))
    program.version(readVersion(), '-V, --version', 'show the version');
  for (const [heading, names] of groups) {
    for (const command of all.filter((item) => names.includes(item.name()))) {
      program.addCommand(command.helpGroup(heading));
    }
  }
  refuseUnknown(wanted, all);
  return program;
}

/** The names that lead to the command that was given: data check. */
export function commandPath(program: Command, words: readonly string[]): string[] {
  const path: string[] = [];
  let at: Command | undefined = program;
  for (const word of words.filter((item) => !item.startsWith('-'))) {
    at = at.commands.find((item) => item.name() === word || item.aliases().includes(word));
    if (at === undefined) break;
    path.push(at.name());
  }
  return path;
}

function collect(register: (program: Command) => void): readonly Command[] {
  const scratch = emptyProgram();
  register(scratch);
  return scratch.commands;
}

/** Settings are handed down to the commands that are made from here. */
function emptyProgram(): Command {
  return new Command('lvnet')
    .description(
      'Train LV-Net, a small network that segments the liver in CT, on several workers: exactly, whatever fails.',
    )
    .usage('<command> [options]')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .option('--debug', 'show where an error came from')
    .configureHelp({ subcommandTerm: (command) => command.name(), showGlobalOptions: true })
    .configureOutput({ outputError: () => undefined }) // main tells errors in one form
    .exitOverride()
    .addHelpText(
      'after',
      '\nEvery command explains itself: lvnet <command> --help\nA first look, with synthetic scans: npx lvnet demo\n',
    );
}

function refuseUnknown(wanted: string | undefined, commands: readonly Command[]): void {
  const names = commands.flatMap((command) => [command.name(), ...command.aliases()]);
  if (wanted === undefined || names.includes(wanted)) return;
  const nearest = nearestName(wanted, names);
  throw new Failure(
    'ARGUMENT_INVALID',
    { command: wanted, nearest: nearest ?? null },
    {
      message: `There is no command ${wanted}.`,
      hint: nearest === undefined ? 'lvnet --help lists all commands.' : `Did you mean lvnet ${nearest}?`,
    },
  );
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
