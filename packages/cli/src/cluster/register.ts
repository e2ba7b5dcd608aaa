import type { Command } from 'commander';
import {
  engineOption,
  jsonOption,
  parseBytes,
  parseCount,
  parseIndex,
  parsePort,
  settingsOption,
  threadsOption,
} from '../options.js';
import type { DemoFlags } from './demo/demo.js';
import type { WorkerFlags } from './process-actions.js';
import type { SubmitFlags } from './run-actions.js';
import type { UpFlags } from './up.js';

/**
 * The commands that need a cluster, or are one. Only names, options and help are here; what a command does
 * is loaded when it runs, since it brings half the house with it.
 */
export function registerClusterCommands(program: Command): void {
  registerLocal(program);
  registerSubmitting(program);
  registerLooking(program);
  registerProcesses(program);
}

function registerLocal(program: Command): void {
  program
    .command('demo')
    .alias('start')
    .description(
      'Train a small LV-Net with two workers, kill one on the way, evaluate, write a report with pictures',
    )
    .option('--workers <number>', 'how many workers', parseCount, 2)
    .option('--data <folder>', 'real scans (LiTS or MSD layout) instead of phantoms')
    .option('--out <folder>', 'where everything goes', 'lvnet-demo')
    .option('--no-kill', 'do not kill a worker')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  npx lvnet demo --data ~/lits --workers 2\n')
    .action(async (flags: DemoFlags) => {
      const { demo } = await import('./demo/demo.js');
      await demo(flags);
    });
  program
    .command('up')
    .description('Start a cluster on this machine (Redis, coordinator, workers) until Ctrl-C')
    .option('--workers <number>', 'how many workers', parseCount, 2)
    .addOption(engineOption())
    .option('--dir <folder>', 'folder for the store, Redis files and logs', 'lvnet-data')
    .option('--port <number>', 'port of the page (0: a free one)', parsePort, 9464)
    .addHelpText(
      'after',
      '\nExample:\n  npx lvnet up --workers 2\nThen, in another terminal:\n  npx lvnet run experiment.yaml --watch\n',
    )
    .action(async (flags: UpFlags) => {
      const { up } = await import('./up.js');
      await up(flags);
    });
}

function registerSubmitting(program: Command): void {
  program
    .command('run')
    .description('Submit an experiment; the same content gives the same run')
    .argument('<file>', 'experiment file (YAML)')
    .addOption(settingsOption('network.expansionRate=6'))
    .option('--watch', 'stay and show the run until it ends')
    .option('--dry-run', 'check everything and say what would run, submit nothing')
    .option(
      '--memory <bytes>',
      "with --dry-run: what a worker has, as 11GB (default: this machine's)",
      parseBytes,
    )
    .option('--again', 'a new run although the same experiment ran before')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExample:\n  npx lvnet run experiment.yaml --set network.expansionRate=6 --watch\n',
    )
    .action(async (file: string, flags: SubmitFlags) => {
      const { run } = await import('./run-actions.js');
      await run(file, flags);
    });
  program
    .command('sweep')
    .description('Submit a sweep: one run for every combination of its choices')
    .argument('<file>', 'sweep file (YAML)')
    .addOption(settingsOption('data.root=/data/lits'))
    .option('--watch', 'stay and show the table until all trials are over')
    .option('--dry-run', 'list the trials, submit nothing')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  npx lvnet sweep sweep.yaml --watch\n')
    .action(async (file: string, flags: SubmitFlags) => {
      const { sweep } = await import('./run-actions.js');
      await sweep(file, flags);
    });
}

const reference = 'run: id, its prefix, or the newest of that name';

function registerLooking(program: Command): void {
  program
    .command('ls')
    .description('List all runs')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  npx lvnet ls\n')
    .action(async ({ json = false }: JsonFlag) => {
      const { list } = await import('./look-actions.js');
      await list(json);
    });
  program
    .command('status')
    .description('Show one run or sweep')
    .argument('<run>', 'run or sweep: id, its prefix, or the newest of that name')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  npx lvnet status liver-baseline --json\n')
    .action(async (run: string, { json = false }: JsonFlag) => {
      const { status } = await import('./look-actions.js');
      await status(run, json);
    });
  program
    .command('watch')
    .description('Show a run until it ends; Ctrl-C ends the watching, not the run')
    .argument('<run>', reference)
    .addHelpText('after', '\nExample:\n  npx lvnet watch liver-baseline\n')
    .action(async (run: string) => {
      const { watch } = await import('./look-actions.js');
      await watch(run);
    });
  registerRequest(program, 'cancel', 'Stop a run for good; its checkpoints stay');
  registerRequest(program, 'pause', 'Stop a run until it is resumed; its members write a checkpoint first');
  registerRequest(program, 'resume', 'Let a paused run go on');
}

interface JsonFlag {
  json?: boolean;
}

function registerRequest(program: Command, kind: 'cancel' | 'pause' | 'resume', description: string): void {
  program
    .command(kind)
    .description(description)
    .argument('<run>', reference)
    .addOption(jsonOption())
    .addHelpText('after', `\nExample:\n  npx lvnet ${kind} liver-baseline\n`)
    .action(async (run: string, { json = false }: JsonFlag) => {
      const { request } = await import('./look-actions.js');
      await request(kind, run, json);
    });
}

function registerProcesses(program: Command): void {
  program
    .command('coordinator')
    .description('Run the coordinator (one leads, others stand by); serves the page, /metrics and /healthz')
    .option(
      '--port <number>',
      'port of the page and /metrics (default: LVNET_METRICS_PORT, else 9464)',
      parsePort,
    )
    .option('--host <address>', 'address to listen on', '0.0.0.0')
    .addHelpText(
      'after',
      '\nExample:\n  LVNET_REDIS_URL=redis://host LVNET_STORE=s3://bucket/lvnet lvnet coordinator\n',
    )
    .action(async (flags: { port?: number; host: string }) => {
      const { coordinator } = await import('./process-actions.js');
      await coordinator(flags);
    });
  program
    .command('worker')
    .description('Run one worker for one device')
    .addOption(engineOption())
    .option('--device <number>', 'which GPU, for the tensorflow engine', parseIndex, 0)
    .option(
      '--device-memory <bytes>',
      "the most to take of the GPU's memory, as 8GiB (default: what is needed)",
      parseBytes,
    )
    .addOption(threadsOption())
    .option('--name <name>', 'a name for people (default: the host name)')
    .option('--port <number>', 'port of /metrics (default: LVNET_METRICS_PORT, else none)', parsePort)
    .addHelpText(
      'after',
      '\nExamples:\n  lvnet worker --engine native --threads 8\n  lvnet worker --engine tensorflow --device 1\n',
    )
    .action(async (flags: WorkerFlags) => {
      const { worker } = await import('./process-actions.js');
      await worker(flags);
    });
}
