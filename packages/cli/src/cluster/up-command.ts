import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { startLocalCluster } from './local-cluster.js';
import { stopSignal } from './stop-signal.js';

export function registerUpCommand(program: Command): void {
  program
    .command('up')
    .description('Start a cluster on this machine (Redis, coordinator, workers) until Ctrl-C')
    .option('--workers <number>', 'how many workers', parseCount, 2)
    .addOption(
      new Option('--engine <engine>', 'engine of the workers')
        .choices(['auto', 'native', 'tensorflow', 'reference'])
        .default('auto'),
    )
    .option('--dir <folder>', 'folder for the store, Redis files and logs', 'lvnet-data')
    .option('--port <number>', 'port of the page (0: a free one)', Number, 9464)
    .addHelpText(
      'after',
      '\nExample:\n  npx lvnet up --workers 2      then, in another terminal:  npx lvnet run experiment.yaml --watch\n',
    )
    .action((options: { workers: number; engine: string; dir: string; port: number }) => up(options));
}

async function up(options: { workers: number; engine: string; dir: string; port: number }): Promise<void> {
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const stop = stopSignal(() =>
    say('Stopping: the workers write a checkpoint first. Ctrl-C again stops at once.'),
  );
  const cluster = await startLocalCluster({
    folder: resolve(options.dir),
    linkFolder: process.cwd(),
    workers: options.workers,
    engine: options.engine,
    port: options.port,
    onNote: say,
  });
  say(`lvnet is up: ${cluster.page}`);
  say(`store ${cluster.settings.storeUrl}`);
  say(
    `${String(options.workers)} workers; logs in ${resolve(options.dir, 'logs')}. Ctrl-C stops everything.`,
  );
  await new Promise<void>((done) => {
    stop.signal.addEventListener('abort', () => {
      done();
    });
  });
  await cluster.stop();
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new TypeError('a whole number from 1');
  return count;
}
