import { Argument, type Command } from 'commander';
import { jsonOption } from '../options.js';
import type { SetupFlags } from './setup.js';

export function registerSetupCommands(program: Command): void {
  program
    .command('setup')
    .description('Install an optional part into the private folder .cache of this clone')
    .addArgument(new Argument('<part>', 'what to install').choices(['redis', 's3', 'tensorflow']))
    .option('--cuda', 'tensorflow: for NVIDIA GPUs, with the CUDA libraries (some 4 GB)')
    .option('--version <version>', 'tensorflow: another version than the tested one, 2.12 or newer')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
redis: a Redis or Valkey server of version 7 or newer, for lvnet up and lvnet demo
s3: an S3 server for the tests
tensorflow: libtensorflow and a binding to it, for --engine tensorflow (0.8 GB; needs g++, python3 with pip, npm)

Examples:
  npx lvnet setup redis
  npx lvnet setup tensorflow --cuda
`,
    )
    .action(async (part: string, flags: SetupFlags) => {
      const { installPart } = await import('./setup.js');
      await installPart(part, flags);
    });
}
