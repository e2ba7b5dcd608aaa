import type { Command } from 'commander';
import { registerBenchCommand } from './bench-command.js';
import { registerDataCommands } from './data-commands.js';
import { registerNetworkCommands } from './network-commands.js';
import { registerProofCommands } from './proof-commands.js';
import { registerResultCommands } from './result-commands.js';
import { registerSetupCommands } from './setup-commands.js';
import { registerVolumeCommand } from './volume-command.js';

/**
 * The commands that need no cluster. Only names, options and help are here; what a command does, and the
 * packages it needs for it, are loaded when it runs.
 */
export function registerLocalCommands(program: Command): void {
  registerDataCommands(program);
  registerVolumeCommand(program);
  registerResultCommands(program);
  registerProofCommands(program);
  registerNetworkCommands(program);
  registerBenchCommand(program);
  registerSetupCommands(program);
}
