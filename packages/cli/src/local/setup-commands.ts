import { Argument, type Command } from 'commander';
import { jsonOption } from '../options.js';

export function registerSetupCommands(program: Command): void {
  program
    .command('setup')
    .description('Install an optional part into the private folder .cache of this clone')
    .addArgument(new Argument('<part>', 'what to install').choices(['redis', 's3', 'tensorflow']))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
redis: a Redis or Valkey server of version 7 or newer, for lvnet up and lvnet demo
s3: an S3 server for the tests

Example:
  npx lvnet setup redis
`,
    )
    .action(async (part: string, flags: { json?: boolean }) => {
      const { installPart } = await import('./setup.js');
      await installPart(part, flags);
    });
}
