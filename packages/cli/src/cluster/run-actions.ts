import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { exitCodeOf, Failure } from '@lvnet/core';
import { submitRun, submitSweep, type RunStatus, type SubmitContext } from '@lvnet/coordinator';
import {
  gridTrials,
  parseExperiment,
  parseSweep,
  preflight,
  type RunDocument,
  type SweepDocument,
} from '@lvnet/experiments';
import { renderRun } from '../views/run-view.js';
import { withCluster, withStore } from './connection.js';
import { chooseEngine } from './engine-choice.js';
import { checkFit } from './fit.js';
import { failureOf, follow, sweepLines } from './follow.js';
import { print, say, table, terminal } from './print.js';
import { findStartWeights } from './start-weights.js';
import { stopSignal } from './stop-signal.js';
import { watchSweep } from './watch-run.js';

export interface SubmitFlags {
  set: string[];
  watch?: boolean;
  dryRun?: boolean;
  again?: boolean;
  memory?: number;
  json?: boolean;
}

/** Submits an experiment. */
export async function run(file: string, flags: SubmitFlags): Promise<void> {
  const experiment = parseExperiment(await readText(file), { file, set: flags.set });
  for (const warning of preflight(experiment).warnings) say(`warning: ${warning}`);
  if (flags.dryRun === true) {
    checkFit(experiment, flags.memory);
    await withStore(async (store, registry) => {
      const context = await submitContext({ store, registry }, experiment.workers.engine);
      const { document, created } = await submitRun(context, experiment, { dryRun: true });
      tellRun(flags, document, created, 'would be');
    });
    return;
  }
  await withCluster(async (connection) => {
    const context = await submitContext(connection, experiment.workers.engine);
    const { document, created } = await submitRun(context, experiment, { again: flags.again === true });
    if (flags.watch === true) {
      const last = await follow(connection, document.run);
      tellEnd(flags, last, created);
      return;
    }
    tellRun(flags, document, created, 'submitted');
  });
}

/** How a watched run ended: one document, which says of a failed run what else would be a document of its own. */
function tellEnd({ json = false }: SubmitFlags, last: RunStatus, created: boolean): void {
  const failure = failureOf(last);
  const error = json && failure !== undefined ? { error: failure.toJSON() } : {};
  print(json, { created, ...last, ...error }, () => renderRun(last, terminal()));
  if (failure === undefined) return;
  if (!json) throw failure;
  process.exitCode = exitCodeOf(failure);
}

function tellRun(flags: SubmitFlags, { run: id, name }: RunDocument, created: boolean, done: string): void {
  print(flags.json === true, { run: id, name, created }, () => [
    `${created ? done : 'already there'}: run ${id} (${name})`,
    ...(flags.dryRun === true ? [] : [`watch it: npx lvnet watch ${id}`]),
  ]);
}

/** Submits a sweep: one run for every combination of its choices. */
export async function sweep(file: string, flags: Omit<SubmitFlags, 'again'>): Promise<void> {
  const parsed = parseSweep(await readText(file), { file, set: flags.set });
  const engine = gridTrials(parsed)[0]?.experiment.workers.engine ?? 'auto';
  if (flags.dryRun === true) {
    await withStore(async (store, registry) => {
      const context = await submitContext({ store, registry }, engine);
      tellSweep(flags, await submitSweep(context, parsed, { dryRun: true }));
    });
    return;
  }
  await withCluster(async (connection) => {
    const submitted = await submitSweep(await submitContext(connection, engine), parsed);
    const { document, created } = submitted;
    if (flags.watch !== true) {
      tellSweep(flags, submitted);
      return;
    }
    const stop = stopSignal();
    const last = await watchSweep(connection, document.sweep, say, stop.signal);
    print(flags.json === true, { created, ...last }, () => sweepLines(last));
  });
}

function tellSweep(
  flags: Pick<SubmitFlags, 'json'>,
  { document, created }: { document: SweepDocument; created: boolean },
): void {
  const trials = document.trials.map(({ run: id, values }) => ({ run: id, values }));
  print(flags.json === true, { sweep: document.sweep, created, trials }, () => [
    `sweep ${document.sweep} (${document.name}): ${String(trials.length)} trials`,
    ...table(trials.map((trial) => [trial.run, JSON.stringify(trial.values)])),
  ]);
}

async function submitContext(
  { store, registry }: Pick<SubmitContext, 'store' | 'registry'>,
  engine: string,
): Promise<SubmitContext> {
  const { waiting, ...chosen } = await chooseEngine(engine, registry);
  if (waiting !== undefined) say(`warning: ${waiting}`);
  return {
    store,
    registry,
    engine: chosen,
    hashCachePath: join(homedir(), '.cache', 'lvnet', 'hashes.json'),
    onProgress: say,
    now: Date.now,
    findWeights: (experiment) => findStartWeights(experiment, store),
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
