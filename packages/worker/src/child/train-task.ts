import { readFileSync } from 'node:fs';
import { canonicalJson, Failure, sha256Hex } from '@lvnet/core';
import { putDocument, readJsonIfThere, runKeys, unsuitedFor, type Verdict } from '@lvnet/experiments';
import type { RunProgress, TrainJob } from '@lvnet/queue';
import { trainRun, type TrainingFact } from '@lvnet/training';
import { trainingSpecOf } from '../training-spec.js';
import { readPlan, readRunDocument, type TaskContext, type TaskStop } from './context.js';

/** A member of a run until it ends or this member is to leave. */
export async function trainTask(job: TrainJob, context: TaskContext, stop: TaskStop): Promise<void> {
  const { store } = context;
  if ((await store.head(runKeys.finished(job.run))) !== undefined) return;
  const document = await readRunDocument(store, job.run);
  const { kind, fingerprint } = context.engineDescription;
  refuseUnsuited(context.worker, unsuitedFor(document, { kind, fingerprint, version }));
  const plan = await readPlan(store, job.run);
  const spec = trainingSpecOf(document, plan);
  const { start } = spec;
  const { workers, exchange, checkpoint, data } = document.experiment;
  await trainRun({
    spec,
    engine: context.engine,
    store,
    worker: context.worker,
    redisUrl: context.tensorRedisUrl,
    wire: exchange.wire,
    terms: {
      ...{ version, 'engine kind': kind, 'engine fingerprint': fingerprint },
      experiment: sha256Hex(canonicalJson(spec)),
    },
    members: { min: Math.min(workers.min, spec.shards), wanted: Math.min(workers.max, spec.shards) },
    checkpoint,
    provenance: {
      network: spec.network,
      data: { windowHu: data.windowHu, patch: data.patch },
      engineFingerprint: document.engine.fingerprint,
    },
    stop,
    verdict:
      document.experiment.training.stop === undefined
        ? undefined
        : (step) =>
            step < (start?.step ?? 0) ? Promise.resolve({ stop: false }) : verdictOf(context, job.run, step), // what lies before was for the parent to judge
    referenced: async (steps) => {
      const first = start === null ? [] : [start.step]; // the first steps can be done again from nowhere else
      if (document.split.validation.length === 0) return first;
      const ends = steps.filter((step) => step % plan.stepsPerEpoch === 0);
      return [...first, ...(await referencedOf(context, job.run, ends))];
    },
    finish: async (finished) => {
      await putDocument(store, runKeys.finished(job.run), { run: job.run, ...finished });
    },
    report: factPasser(job.run, context),
  });
}

/** @throws Failure('WORKER_UNSUITABLE') in words */
function refuseUnsuited(worker: string, differences: readonly string[]): void {
  if (differences.length === 0) return;
  throw new Failure(
    'WORKER_UNSUITABLE',
    { worker, differences },
    {
      message: `${worker} cannot be a member: ${differences.join('; ')}.`,
      hint: 'Give all workers of a run the same lvnet and the same kind of engine (on tensorflow also the same --threads).',
    },
  );
}

/** That of the package, as the command line shows it. */
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

async function verdictOf({ store }: TaskContext, run: string, step: number): Promise<Verdict | undefined> {
  return (await readJsonIfThere<Verdict>(store, runKeys.verdict(run, step))) ?? undefined;
}

/** Of epoch ends those that wait for their verdict, and the best one so far: their checkpoints must stay. */
async function referencedOf(
  { store }: TaskContext,
  run: string,
  epochEnds: readonly number[],
): Promise<number[]> {
  const kept: number[] = [];
  let best: number | undefined;
  for (const step of [...epochEnds].sort((a, b) => a - b)) {
    const verdict = await readJsonIfThere<Verdict>(store, runKeys.verdict(run, step));
    if (verdict === null) kept.push(step);
    else best = verdict.best?.step ?? best;
  }
  return best === undefined ? kept : [...kept, best];
}

/** Training knows nothing of queues and metrics; this is where its facts become theirs. */
function factPasser(run: string, { report }: TaskContext): (fact: TrainingFact) => void {
  /** Of the last step, while this member is the one that tells: what a former one says would be of the past. */
  let last: RunProgress | undefined;
  const tell = (progress: RunProgress) => {
    last = progress;
    report({ kind: 'progress', run, progress });
  };
  return (fact) => {
    switch (fact.kind) {
      case 'step':
        report({ kind: 'step', run, phases: fact.phases, shards: fact.shards });
        if (fact.isWriter) tell(progressOf(fact));
        else last = undefined;
        return;
      case 'exchanged':
        report({ kind: 'exchanged', run, bytesIn: fact.bytesIn, bytesOut: fact.bytesOut });
        return;
      case 'copied':
        report({ kind: 'copied', run, seconds: fact.seconds });
        return;
      case 'checkpointed': {
        const { step, seconds } = fact;
        report({ kind: 'checkpointed', run, step, seconds });
        if (last !== undefined) tell({ ...last, checkpoint: { step, at: new Date().toISOString() } });
        return;
      }
      case 'wasted':
        report({ ...fact, run });
        return;
      case 'note':
        report({ kind: 'note', run, text: fact.text, viewChange: fact.viewChange });
        return;
    }
  };
}

function progressOf(fact: Extract<TrainingFact, { kind: 'step' }>): RunProgress {
  const { step, epoch, stepsTotal, digest, losses, members, life, samplesPerSecond, stepSeconds } = fact;
  return {
    step,
    epoch,
    stepsTotal,
    digest,
    losses,
    members,
    life,
    samplesPerSecond,
    stepSeconds,
    checkpoint: fact.checkpoint,
    at: new Date().toISOString(),
  };
}
