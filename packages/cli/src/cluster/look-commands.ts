import {
  listRuns,
  readStatus,
  readSweepStatus,
  resolveRun,
  resolveSweep,
  type RunStatus,
} from '@lvnet/coordinator';
import type { Command } from 'commander';
import { renderRun } from '../views/run-view.js';
import { withCluster, withStore } from './connection.js';
import { print, table, terminal } from './print.js';
import { requestState } from './requests.js';
import { follow, sweepLines, throwIfFailed } from './run-commands.js';

export function registerLookCommands(program: Command): void {
  program
    .command('ls')
    .description('List all runs')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  npx lvnet ls\n')
    .action((flags: { json?: boolean }) => list(flags.json === true));
  program
    .command('status')
    .description('Show one run or sweep')
    .argument('<run>', 'run or sweep: id, its prefix, or the newest of that name')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  npx lvnet status liver-baseline --json\n')
    .action((reference: string, flags: { json?: boolean }) => status(reference, flags.json === true));
  program
    .command('watch')
    .description('Show a run until it ends; Ctrl-C ends the watching, not the run')
    .argument('<run>', 'run: id, its prefix, or the newest of that name')
    .addHelpText('after', '\nExample:\n  npx lvnet watch liver-baseline\n')
    .action((reference: string) => watch(reference));
  for (const kind of ['cancel', 'pause', 'resume'] as const) {
    program
      .command(kind)
      .description(descriptions[kind])
      .argument('<run>', 'run: id, its prefix, or the newest of that name')
      .option('--json', 'one JSON document on stdout')
      .addHelpText('after', `\nExample:\n  npx lvnet ${kind} liver-baseline\n`)
      .action((reference: string, flags: { json?: boolean }) =>
        request(kind, reference, flags.json === true),
      );
  }
}

const descriptions = {
  cancel: 'Stop a run for good; its checkpoints stay',
  pause: 'Stop a run until it is resumed; its members write a checkpoint first',
  resume: 'Let a paused run go on',
};

async function list(json: boolean): Promise<void> {
  await withStore(async (store, registry) => {
    const runs = await listRuns(store, registry);
    print(json, { runs }, () =>
      runs.length === 0
        ? ['No runs yet. Submit one: npx lvnet run experiment.yaml']
        : table([['run', 'name', 'state', 'step', 'loss', 'dice', 'members'], ...runs.map(runRow)]),
    );
  });
}

const runRow = (run: RunStatus): string[] => [
  run.run,
  run.name,
  run.state,
  run.stepsTotal === null ? '-' : `${String(run.step)}/${String(run.stepsTotal)}`,
  run.losses?.['total']?.toFixed(4) ?? '-',
  run.metrics.dice?.toFixed(3) ?? '-',
  String(run.members.length),
];

async function status(reference: string, json: boolean): Promise<void> {
  await withStore(async (store, registry) => {
    const sweep = await resolveSweep(store, reference);
    if (sweep !== undefined) {
      const found = await readSweepStatus(store, registry, sweep);
      print(json, found, () => sweepLines(found));
      return;
    }
    const found = await readStatus(store, registry, await resolveRun(store, reference));
    print(json, found, () => renderRun(found, terminal()));
  });
}

async function watch(reference: string): Promise<void> {
  await withCluster(async (connection) => {
    const last = await follow(connection, await resolveRun(connection.store, reference));
    print(false, last, () => renderRun(last, terminal()));
    throwIfFailed(last);
  });
}

async function request(kind: 'cancel' | 'pause' | 'resume', reference: string, json: boolean): Promise<void> {
  await withCluster(async (connection) => {
    const after = await requestState(connection, reference, kind);
    print(json, after, () => [`run ${after.run} is ${after.state}`]);
  });
}
