import type { Command } from 'commander';
import { registerDemoCommand } from './demo/demo-command.js';
import { registerLookCommands } from './look-commands.js';
import { registerProcessCommands } from './process-commands.js';
import { registerRunCommands } from './run-commands.js';
import { registerUpCommand } from './up-command.js';

/** The commands that need a cluster, or are one. */
export function registerClusterCommands(program: Command): void {
  registerDemoCommand(program);
  registerUpCommand(program);
  registerRunCommands(program);
  registerLookCommands(program);
  registerProcessCommands(program);
}
