import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '@lvnet/core';
import {
  submitRun,
  submitSweep,
  type RunStatus,
  type SubmitContext,
  type SweepStatus,
} from '@lvnet/coordinator';
import { parseExperiment, parseSweep, preflight } from '@lvnet/experiments';
import type { Command } from 'commander';
import { openLiveView } from '../views/live.js';
import { renderRun } from '../views/run-view.js';
import { withCluster, type Connection } from './connection.js';
import { chooseEngine } from './engine-choice.js';
import { print, say, table, terminal } from './print.js';
import { stopSignal } from './stop-signal.js';
import { watchRun, watchSweep } from './watch-run.js';

interface SubmitFlags {
  set: string[];
  watch?: boolean;
  dryRun?: boolean;
  again?: boolean;
  json?: boolean;
}

export function registerRunCommands(program: Command): void {
  program
    .command('run')
    .description('Submit an experiment; the same content gives the same run')
    .argument('<file>', 'experiment file (YAML)')
    .option('--set <path=value>', 'change one value; may be repeated', collect, [])
    .option('--watch', 'stay and show the run until it ends')
    .option('--dry-run', 'check everything and say what would run, submit nothing')
    .option('--again', 'a new run although the same experiment ran before')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      '\nExample:\n  npx lvnet run experiment.yaml --set network.expansionRate=6 --watch\n',
    )
    .action((file: string, flags: SubmitFlags) => run(file, flags));
  program
    .command('sweep')
    .description('Submit a sweep: one run for every combination of its choices')
    .argument('<file>', 'sweep file (YAML)')
    .option('--watch', 'stay and show the table until all trials are over')
    .option('--dry-run', 'list the trials, submit nothing')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  npx lvnet sweep sweep.yaml --watch\n')
    .action((file: string, flags: Omit<SubmitFlags, 'set'>) => sweep(file, flags));
}

const collect = (value: string, before: string[]): string[] => [...before, value];

async function run(file: string, flags: SubmitFlags): Promise<void> {
  const experiment = parseExperiment(await readText(file), { file, set: flags.set });
  for (const warning of preflight(experiment).warnings) say(`warning: ${warning}`);
  await withCluster(async (connection) => {
    const context = await submitContext(connection, experiment.workers.engine);
    const options = { dryRun: flags.dryRun === true, again: flags.again === true };
    const { document, created } = await submitRun(context, experiment, options);
    if (flags.watch === true && flags.dryRun !== true) {
      const last = await follow(connection, document.run);
      print(flags.json === true, { created, ...last }, () => renderRun(last, terminal()));
      throwIfFailed(last);
      return;
    }
    print(flags.json === true, { run: document.run, name: document.name, created }, () => [
      `${flags.dryRun === true ? 'would be' : created ? 'submitted' : 'already there'}: run ${document.run} (${document.name})`,
      `watch it: npx lvnet watch ${document.run}`,
    ]);
  });
}

async function sweep(file: string, flags: Omit<SubmitFlags, 'set'>): Promise<void> {
  const parsed = parseSweep(await readText(file), { file });
  await withCluster(async (connection) => {
    const context = await submitContext(connection, 'auto');
    const { document, created } = await submitSweep(context, parsed, { dryRun: flags.dryRun === true });
    const trials = document.trials.map(({ run: id, values }) => ({ run: id, values }));
    if (flags.watch !== true || flags.dryRun === true) {
      print(flags.json === true, { sweep: document.sweep, created, trials }, () => [
        `sweep ${document.sweep} (${document.name}): ${String(trials.length)} trials`,
        ...table(trials.map((trial) => [trial.run, JSON.stringify(trial.values)])),
      ]);
      return;
    }
    const stop = stopSignal();
    const last = await watchSweep(connection, document.sweep, say, stop.signal);
    print(flags.json === true, { created, ...last }, () => sweepLines(last));
  });
}

export function sweepLines(status: SweepStatus): string[] {
  return [
    `sweep ${status.sweep} (${status.name}): ${status.state}`,
    ...table([
      ['run', 'state', 'steps', 'objective', 'values'],
      ...status.trials.map((trial) => [
        trial.run,
        trial.state,
        String(trial.steps),
        trial.objective?.toFixed(4) ?? '-',
        JSON.stringify(trial.values),
      ]),
    ]),
    ...(status.best === null ? [] : [`best: ${status.best.run} ${JSON.stringify(status.best.values)}`]),
    ...(status.report === null ? [] : [`report: ${status.report}`]),
  ];
}

/** Shows a run until it is over; Ctrl-C ends the watching, not the run. */
export async function follow(connection: Connection, id: string): Promise<RunStatus> {
  const view = openLiveView(process.stderr);
  const stop = stopSignal(() => {
    view.note(`The run goes on. Watch it again: npx lvnet watch ${id}`);
  });
  try {
    return await watchRun(
      connection,
      id,
      (status) => {
        view.show(status);
      },
      stop.signal,
    );
  } finally {
    view.close();
    stop.release();
  }
}

export function throwIfFailed(status: RunStatus): void {
  if (status.state === 'done') return;
  throw new Failure(
    'INTERNAL',
    { run: status.run, state: status.state },
    { message: `Run ${status.run} ${status.state}: ${status.reason ?? 'no reason given'}` },
  );
}

async function submitContext({ store, registry }: Connection, engine: string): Promise<SubmitContext> {
  return {
    store,
    registry,
    engine: await chooseEngine(engine, registry),
    hashCachePath: join(homedir(), '.cache', 'lvnet', 'hashes.json'),
    onProgress: say,
    now: Date.now,
  };
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new Failure(
      'FILE_NOT_FOUND',
      { file },
      { message: `${file} cannot be read.`, hint: 'Give the path of an experiment file.', cause },
    );
  }
}
