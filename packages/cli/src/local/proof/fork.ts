import { readSteps, referTo, writeCheckpoint, type StepRecord } from '@lvnet/checkpoints';
import { submitFork } from '@lvnet/coordinator';
import { Failure } from '@lvnet/core';
import { forkedExperiment } from '@lvnet/experiments';
import { buildNetwork } from '@lvnet/networks';
import type { Store } from '@lvnet/store';
import { stateAfter, toCheckpoint, type TrainingState } from '@lvnet/training';
import { withStore } from '../../cluster/connection.js';
import { print, say } from '../../cluster/print.js';
import { interruptible } from '../interruptible.js';
import { openEngineLike } from './engine-like.js';
import { notTrained, readRecordedRun, type RecordedRun } from './recorded-run.js';

export interface ForkFlags {
  step: number;
  set: string[];
  threads?: number;
  json?: boolean;
}

/** Submits a run that goes on from a past step of another one. */
export async function fork(reference: string, flags: ForkFlags): Promise<void> {
  const { step, set, json = false } = flags;
  await withStore(async (store, registry) => {
    const parent = await readRecordedRun(store, reference);
    const { document: from, plan } = parent;
    const record = await recordOf(store, parent, step);
    const experiment = forkedExperiment(from, plan, { step, set });
    const origin = { document: from, plan, step, digest: record.digest };
    const { document, created } = await submitFork(
      { store, registry, now: Date.now },
      origin,
      experiment,
      (run) => writeStart(store, parent, { step, record, run, threads: flags.threads }),
    );
    const leader = await registry?.leader();
    const { run, name } = document;
    print(json, { run, name, created, parent: document.parent }, () => [
      `${created ? 'submitted' : 'already there'}: run ${run} (${name}), forked from run ${from.run} after step ${String(step)}`,
      leader === undefined
        ? 'no coordinator is up: it starts as soon as one is (npx lvnet up, or lvnet coordinator)'
        : `watch it: npx lvnet watch ${run}`,
    ]);
  });
}

/** What the parent recorded of the step. A fork that starts from its own first step has none for it. */
async function recordOf(
  store: Store,
  { document }: RecordedRun,
  step: number,
): Promise<Pick<StepRecord, 'digest' | 'weights'>> {
  if (document.parent?.step === step) return { digest: document.parent.digest };
  const records = await readSteps(store, document.run);
  const [first, last] = [records[0], records.at(-1)];
  if (first === undefined || last === undefined) throw notTrained(document.run);
  const record = records.find((item) => item.step === step);
  if (record !== undefined) return record;
  throw new Failure(
    'ARGUMENT_INVALID',
    { run: document.run, step, first: first.step, last: last.step },
    {
      message: `Run ${document.run} has no record of step ${String(step)}; it has steps ${String(first.step)} to ${String(last.step)}.`,
      hint:
        document.parent !== null && step < document.parent.step
          ? `Fork its parent: lvnet fork ${document.parent.run} --step ${String(step)}`
          : 'Steps are recorded when a checkpoint is written.',
    },
  );
}

/** The new run's checkpoint: what its parent's step left, which must be what was recorded. */
async function writeStart(
  store: Store,
  { document, spec }: RecordedRun,
  o: {
    step: number;
    record: Pick<StepRecord, 'digest' | 'weights'>;
    run: string;
    threads: number | undefined;
  },
): Promise<void> {
  const { exchange, data } = document.experiment;
  await referTo(store, document.run, o.step, o.run); // first: what is read now must not go meanwhile
  const state = await interruptible(
    (signal) =>
      stateAfter({
        ...{ spec, wire: exchange.wire, store, signal, step: o.step },
        engine: () => {
          say(`doing the steps up to ${String(o.step)} again`);
          return openEngineLike(document, o.threads);
        },
      }),
    () => 'Nothing was submitted.',
  );
  refuseOther(document.run, state, o.record);
  const checkpoint = toCheckpoint(buildNetwork(spec.network), state, spec.stepsPerEpoch);
  await writeCheckpoint(store, o.run, checkpoint, {
    network: spec.network,
    data: { windowHu: data.windowHu, patch: data.patch },
    engineFingerprint: document.engine.fingerprint,
  });
}

function refuseOther(
  run: string,
  { step, digest, weightsSha256 }: TrainingState,
  record: Pick<StepRecord, 'digest' | 'weights'>,
): void {
  if (digest === record.digest && weightsSha256 === (record.weights ?? weightsSha256)) return;
  throw new Failure(
    'DIGEST_MISMATCH',
    { run, step, recorded: record.digest, found: digest },
    {
      message: `Run ${run}: what its checkpoints give for step ${String(step)} is not what was recorded of it.`,
      hint: `lvnet audit ${run} names what is wrong.`,
    },
  );
}
