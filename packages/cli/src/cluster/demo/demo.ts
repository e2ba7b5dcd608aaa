import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { counted, Failure, sleep } from '@lvnet/core';
import { hashDataset, readStatus, submitRun, type RunStatus, type SubmitContext } from '@lvnet/coordinator';
import { runKeys, type RunDocument, type RunSplit, type TrainingPlan } from '@lvnet/experiments';
import { openRegistry } from '@lvnet/queue';
import type { Store } from '@lvnet/store';
import { openStore } from '@lvnet/store';
import { describeVolume, discoverCases, writePhantomDataset } from '@lvnet/volumes';
import { openLiveView } from '../../views/live.js';
import { awaitWorkers, chooseEngine, localKind } from '../engine-choice.js';
import { startLocalCluster } from '../local-cluster.js';
import { print, say } from '../print.js';
import { stopSignal } from '../stop-signal.js';
import { watchRun } from '../watch-run.js';
import { dataPlan, phantomPlan, phantomSet, type DemoPlan } from './experiment.js';
import { createKiller, type Killing } from './kill-one.js';
import { proveKill, refuseDifferent, type Proof } from './proof.js';
import { readOutcome, summaryLines, type DemoOutcome } from './summary.js';

export interface DemoFlags {
  workers: number;
  data?: string;
  out: string;
  kill: boolean;
  json?: boolean;
}

/** Trains a small network with several workers, kills one on the way, and proves that it did not matter. */
export async function demo(flags: DemoFlags): Promise<void> {
  const startMs = performance.now();
  const folder = resolve(flags.out);
  await mkdir(folder, { recursive: true });
  const stop = stopSignal(() => {
    say('Stopping: the workers write a checkpoint first. Ctrl-C again stops at once.');
  });
  if (localKind() === 'reference') {
    say(
      'The native kernels are not built here: the demo uses the reference engine, which is very slow. Install g++ and run npm run setup.',
    );
  }
  const { plan, split } = await chooseData(flags, folder);
  const view = openLiveView(process.stderr);
  view.note(`Starting Redis, a coordinator and ${counted(flags.workers, 'worker')} in ${folder}`);
  const cluster = await startLocalCluster({
    folder,
    linkFolder: folder,
    workers: flags.workers,
    engine: 'auto',
    port: 0,
    onNote: view.note,
  });
  let outcome: DemoOutcome;
  try {
    const store = await openStore(cluster.settings.storeUrl);
    await using registry = await openRegistry(cluster.settings.redisUrl, 'lvnet-demo');
    await awaitWorkers(registry, flags.workers, 120_000, (ms) => sleep(ms, stop.signal));
    view.note(`Page with all runs: ${cluster.page}`);
    const context: SubmitContext = {
      store,
      registry,
      engine: await chooseEngine('auto', registry),
      hashCachePath: join(folder, 'hashes.json'),
      now: Date.now,
    };
    const document = await submitFresh(context, plan, split);
    const killer = createKiller(registry, cluster.workerPids, flags.kill && flags.workers > 1 ? 0.4 : 2);
    const last = await watchRun(
      { store, registry },
      document.run,
      async (status) => {
        view.show(status);
        const before = killer.killing();
        await killer.look(status);
        if (before === null && killer.killing() !== null) view.note(killedLine(killer.killing()));
      },
      stop.signal,
      200,
    ).finally(() => {
      view.close();
    });
    if (last.state !== 'done') throw notDone(last, folder);
    const killing = killer.killing();
    const proof = killing === null ? null : await prove(store, document, killing);
    outcome = await readOutcome(store, last, killing, proof, (performance.now() - startMs) / 1000);
  } finally {
    await cluster.stop();
    stop.release();
  }
  print(flags.json === true, outcome, () => summaryLines(outcome));
}

/** Phantoms are made once; real data are split fairly or, when there is one case, over-fitted. */
async function chooseData(
  flags: DemoFlags,
  folder: string,
): Promise<{ plan: DemoPlan; split: ((context: SubmitContext) => Promise<RunSplit>) | undefined }> {
  const shards = 2;
  if (flags.data === undefined) {
    const root = join(folder, 'phantoms');
    if (!existsSync(root)) {
      say(`Making ${String(phantomSet.cases)} phantoms in ${root}`);
      await writePhantomDataset({ out: root, ...phantomSet });
    }
    return { plan: phantomPlan(root, Math.min(flags.workers, shards)), split: undefined };
  }
  const root = resolve(flags.data);
  const cases = (await discoverCases(root)).filter((item) => item.label !== undefined);
  const first = cases[0];
  if (first === undefined) throw noLabels(root);
  const { shape } = await describeVolume(first.volume);
  const plan = dataPlan(root, cases, shape[1], shape[0], Math.min(flags.workers, shards));
  if (cases.length >= 3) return { plan, split: undefined };
  for (const note of plan.notes) say(note);
  return {
    plan,
    split: async (context) => {
      const all = await hashDataset(context, root);
      return { train: all, validation: all, test: all };
    },
  };
}

/** A demo that was interrupted goes on; one that is done is done again under a new id. */
async function submitFresh(
  context: SubmitContext,
  plan: DemoPlan,
  drawSplit: ((context: SubmitContext) => Promise<RunSplit>) | undefined,
): Promise<RunDocument> {
  const split = await drawSplit?.(context);
  const options = { notes: plan.notes, ...(split === undefined ? {} : { split }) };
  const first = await submitRun(context, plan.experiment, options);
  if (first.created) return first.document;
  const { state } = await readStatus(context.store, context.registry, first.document.run);
  const over = state === 'done' || state === 'failed' || state === 'cancelled';
  if (!over) return first.document;
  return (await submitRun(context, plan.experiment, { ...options, again: true })).document;
}

async function prove(store: Store, document: RunDocument, killing: Killing): Promise<Proof | null> {
  say('Replaying the steps around the kill in one process alone');
  const text = new TextDecoder().decode(await store.get(runKeys.plan(document.run)));
  const proof = await proveKill(store, document, JSON.parse(text) as TrainingPlan, killing.atStep);
  if (proof !== null) refuseDifferent(proof);
  return proof;
}

const killedLine = (killing: Killing | null): string =>
  killing === null
    ? ''
    : `Killed ${killing.worker} (process ${String(killing.pid)}) with SIGKILL after step ${String(killing.atStep)}.`;

function notDone(status: RunStatus, folder: string): Failure {
  return new Failure(
    'INTERNAL',
    { run: status.run, state: status.state },
    {
      message: `The demo's run ${status.state}: ${status.reason ?? 'no reason given'}`,
      hint: `The logs are in ${join(folder, 'logs')}.`,
    },
  );
}

function noLabels(root: string): Failure {
  return new Failure(
    'DATASET_INVALID',
    { root },
    {
      message: `${root} holds no labelled case.`,
      hint: 'LiTS: volume-N.nii and segmentation-N.nii; MSD: imagesTr/liver_N.nii.gz and labelsTr/liver_N.nii.gz.',
    },
  );
}
