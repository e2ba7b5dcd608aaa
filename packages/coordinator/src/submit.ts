import { Failure, sha256Hex, canonicalJson } from '@lvnet/core';
import {
  gridTrials,
  identityOfRun,
  putDocument,
  readJson,
  runIdOf,
  runKeys,
  type Experiment,
  type RunDocument,
  type RunSplit,
  type Sweep,
  type SweepDocument,
} from '@lvnet/experiments';
import type { Registry } from '@lvnet/queue';
import type { Store } from '@lvnet/store';
import { discoverCases, hashCase, resolveSplit, type CaseFiles } from '@lvnet/volumes';

export interface SubmitContext {
  store: Store;
  /** Absent for a dry run or when nobody has to be woken. */
  registry: Registry | undefined;
  engine: { kind: string; fingerprint: string };
  /** Remembers content hashes by path, size and time of change. */
  hashCachePath?: string;
  onProgress?: (text: string) => void;
  now: () => number;
  /** Finds what `network.weights` refers to; absent where experiments with given weights are not accepted. */
  findWeights?: (experiment: Experiment) => Promise<GivenWeights>;
}

/** Weights that a run is to start from. */
export interface GivenWeights {
  sha256: string;
  /** Where they were found, exactly. */
  from: string;
  /** Writes them as the run's checkpoint 0. */
  write: (document: RunDocument) => Promise<void>;
}

export interface SubmitOptions {
  /** Submits the same experiment anew under another id. */
  again?: boolean;
  /** Uses these cases instead of drawing a split. */
  split?: RunSplit;
  notes?: string[];
  dryRun?: boolean;
}

/**
 * Hashes the cases, names the run by its content and writes run.json before it returns. Where the same run
 * is there already, under whatever name, its document is returned.
 */
export async function submitRun(
  context: SubmitContext,
  experiment: Experiment,
  options: SubmitOptions = {},
): Promise<{ document: RunDocument; created: boolean }> {
  const split = options.split ?? (await drawSplit(context, experiment));
  const given = await weightsFor(context, experiment);
  const describe = (again: number) =>
    describeRun(context, experiment, { split, given, again, notes: options.notes ?? [] });
  let document = describe(0);
  for (let again = 1; options.again === true && (await exists(context.store, document.run)); again++) {
    document = describe(again);
  }
  if (options.dryRun === true) return { document, created: !(await exists(context.store, document.run)) };
  await writeStart(context.store, document, given);
  const key = runKeys.document(document.run);
  const created = await putDocument(context.store, key, document);
  await context.registry?.request({ kind: 'submitted', run: document.run });
  return { document: created ? document : await readJson(context.store, key), created };
}

/** Resolves every trial to a run document now, so that the sweep is complete and reviewable. */
export async function submitSweep(
  context: SubmitContext,
  sweep: Sweep,
  options: { dryRun?: boolean; split?: RunSplit } = {},
): Promise<{ document: SweepDocument; created: boolean }> {
  const grid = gridTrials(sweep);
  const first = grid[0];
  if (first === undefined) {
    throw new Failure(
      'EXPERIMENT_INVALID',
      {},
      { message: 'The sweep has no trials.', hint: 'Give at least one choice.' },
    );
  }
  const split = options.split ?? (await drawSplit(context, first.experiment));
  const trials: (SweepDocument['trials'][number] & { given: GivenWeights | undefined })[] = [];
  const found = new Map<string, GivenWeights | undefined>(); // trials with the same network share them
  for (const [trial, { values, experiment }] of grid.entries()) {
    const network = canonicalJson(experiment.network);
    const given = found.has(network) ? found.get(network) : await weightsFor(context, experiment);
    found.set(network, given);
    const document = describeRun(context, experiment, { split, given, again: 0, notes: [] });
    trials.push({ trial, values, run: document.run, document, given });
  }
  const id = sha256Hex(canonicalJson(trials.map((trial) => trial.run))).slice(0, 12);
  const document: SweepDocument = {
    version: 1,
    sweep: id,
    name: first.experiment.name,
    createdAt: new Date(context.now()).toISOString(),
    parallel: sweep.search.parallel,
    objective: sweep.objective,
    trials: trials.map(({ given: _given, ...trial }) => ({
      ...trial,
      document: { ...trial.document, sweep: { sweep: id, trial: trial.trial } },
    })),
  };
  if (options.dryRun === true) return { document, created: false };
  for (const { document: run, given } of trials) await writeStart(context.store, run, given);
  const created = await putDocument(context.store, runKeys.sweep(id), document);
  await context.registry?.request({ kind: 'submittedSweep', sweep: id });
  return { document, created };
}

/** @throws Failure('EXPERIMENT_INVALID') where nobody can find them, and what finding them throws */
async function weightsFor(
  { findWeights }: SubmitContext,
  experiment: Experiment,
): Promise<GivenWeights | undefined> {
  const { weights } = experiment.network;
  if (weights === undefined) return undefined;
  if (findWeights !== undefined) return findWeights(experiment);
  throw new Failure(
    'EXPERIMENT_INVALID',
    { path: 'network.weights', value: weights },
    { message: `network.weights (${weights}): given weights are not accepted here.`, hint: 'Leave it out.' },
  );
}

/** Before the run's document: nobody starts a run whose weights are not there yet. */
async function writeStart(
  store: Store,
  document: RunDocument,
  given: GivenWeights | undefined,
): Promise<void> {
  if (given !== undefined && !(await exists(store, document.run))) await given.write(document);
}

function describeRun(
  context: SubmitContext,
  experiment: Experiment,
  o: { split: RunSplit; given: GivenWeights | undefined; again: number; notes: string[] },
): RunDocument {
  const { split, given, again, notes } = o;
  const weights = given === undefined ? {} : { weights: { sha256: given.sha256, from: given.from } };
  const content = { engine: context.engine, experiment, split, again, parent: null, ...weights };
  const identity = identityOfRun(content);
  return {
    ...content,
    ...{ version: 1, run: runIdOf(identity), name: experiment.name, identity, sweep: null, notes },
    createdAt: new Date(context.now()).toISOString(),
  };
}

const exists = async (store: Store, run: string) => (await store.head(runKeys.document(run))) !== undefined;

async function drawSplit(context: SubmitContext, experiment: Experiment): Promise<RunSplit> {
  const cases = await hashDataset(context, experiment.data.root);
  return resolveSplit(cases, experiment.data.split, experiment.seed);
}

/** Content hashes of all labelled cases of a folder. */
export async function hashDataset(
  context: Pick<SubmitContext, 'hashCachePath' | 'onProgress'>,
  root: string,
): Promise<RunSplit['train']> {
  const files = await discoverCases(root);
  const hashed: RunSplit['train'] = [];
  for (const [i, item] of files.filter(hasLabel).entries()) {
    context.onProgress?.(`reading case ${item.id} (${String(i + 1)} of ${String(files.length)})`);
    const cache = context.hashCachePath === undefined ? {} : { cachePath: context.hashCachePath };
    const { contentSha256 } = await hashCase(item, cache);
    hashed.push({ case: item.id, contentSha256 });
  }
  return hashed;
}

const hasLabel = (files: CaseFiles): files is CaseFiles & { label: string } => files.label !== undefined;
