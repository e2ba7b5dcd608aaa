import { counted } from '@lvnet/core';
import { earlyStop, runKeys, type RunState, type TrainingPlan, type Verdict } from '@lvnet/experiments';
import type { Job } from '@lvnet/queue';
import { stepsPerEpoch } from '@lvnet/volumes';
import { type ClusterState, type Command, type RunRecord } from './cluster-state.js';

export interface RunPlan {
  commands: Command[];
  next?: { state: RunState; text: string };
}

/** What one run needs now: the jobs of its stage, and the next stage once its facts allow it. */
export function planRun(run: RunRecord, cluster: ClusterState): RunPlan {
  switch (run.state) {
    case 'queued':
      return {
        commands: [],
        next: { state: 'preparing', text: `${counted(caseIds(run).length, 'case')} to prepare` },
      };
    case 'preparing':
      return planPreparing(run, cluster);
    case 'running':
      return planRunning(run);
    case 'validating':
      return planValidating(run);
    case 'paused':
    case 'done':
    case 'failed':
    case 'cancelled':
      return { commands: [] };
  }
}

function planPreparing(run: RunRecord, cluster: ClusterState): RunPlan {
  const ready = new Set(run.facts.prepared.map((record) => record.case));
  const missing = caseIds(run).filter((id) => !ready.has(id));
  if (missing.length > 0) {
    return {
      commands: missing.map((id) =>
        ensure(run, `prepare-${run.document.run}-${id}`, {
          kind: 'prepare',
          run: run.document.run,
          case: id,
        }),
      ),
    };
  }
  if (!hasRoom(run, cluster)) return { commands: [] };
  const plan = trainingPlan(run);
  return {
    commands: [{ kind: 'put', key: runKeys.plan(run.document.run), value: plan }],
    next: {
      state: 'running',
      text: `${String(plan.stepsTotal)} steps, ${String(plan.stepsPerEpoch)} per epoch${standingBy(run, cluster)}`,
    },
  };
}

/** Said where there are more workers than can help. */
function standingBy(run: RunRecord, cluster: ClusterState): string {
  const { engine, experiment } = run.document;
  const workers = cluster.workers.filter(({ fingerprint }) => fingerprint === engine.fingerprint).length;
  const slots = slotsOf(run);
  if (workers <= slots) return '';
  const why =
    slots === experiment.training.shards
      ? `${counted(slots, 'shard')} can use no more`
      : `workers.max is ${String(experiment.workers.max)}`;
  return `; ${String(slots)} of ${String(workers)} workers take part, the others stand by: ${why}`;
}

/** A run starts when its engine kind has a worker to spare, or when no other run is using that kind. */
function hasRoom(run: RunRecord, cluster: ClusterState): boolean {
  const { fingerprint } = run.document.engine;
  const workers = cluster.workers.filter((worker) => worker.fingerprint === fingerprint).length;
  const busy = [...cluster.runs.values()].filter(
    (other) => other.state === 'running' && other.document.engine.fingerprint === fingerprint,
  );
  const used = busy.reduce((sum, other) => sum + slotsOf(other), 0);
  return busy.length === 0 || used < workers;
}

function planRunning(run: RunRecord): RunPlan {
  const commands: Command[] = [wanted(run, 'running', slotsOf(run))];
  for (let slot = 0; slot < slotsOf(run); slot++) {
    const job: Job = { kind: 'train', run: run.document.run, slot };
    commands.push(ensure(run, `train-${run.document.run}-${String(slot)}`, job));
  }
  commands.push(...validationCommands(run));
  if (run.facts.finished === null) return { commands };
  return {
    commands,
    next: {
      state: 'validating',
      text: `trained to step ${String(run.facts.finished.step)} (${run.facts.finished.reason})`,
    },
  };
}

function planValidating(run: RunRecord): RunPlan {
  const commands: Command[] = [wanted(run, 'validating', 0), ...validationCommands(run)];
  const open = run.document.split.validation.length > 0 ? openEpochs(run).length : 0;
  if (open > 0) return { commands };
  const step = bestStep(run);
  const tests = missingCases(run, step, 'test');
  if (tests.length > 0)
    return { commands: [...commands, ...tests.map((id) => caseJob(run, step, 'test', id))] };
  if (!run.facts.reported) {
    const job: Job = { kind: 'validate', subject: 'report', run: run.document.run };
    return { commands: [...commands, ensure(run, `report-${run.document.run}`, job)] };
  }
  return { commands, next: { state: 'done', text: 'report written' } };
}

/** Jobs for every epoch end that has no verdict yet, and the verdicts whose results are all there. */
function validationCommands(run: RunRecord): Command[] {
  if (run.document.split.validation.length === 0) return [];
  const commands: Command[] = [];
  const verdicts = [...run.facts.verdicts];
  for (const end of openEpochs(run)) {
    const missing = missingCases(run, end.step, 'validation');
    commands.push(...missing.map((id) => caseJob(run, end.step, 'validation', id)));
    const inSequence = verdicts.length === end.epoch - firstEpoch(run, end);
    if (missing.length > 0 || !inSequence) continue;
    const verdict = judge(run, end, verdicts);
    verdicts.push(verdict);
    commands.push({ kind: 'put', key: runKeys.verdict(run.document.run, end.step), value: verdict });
  }
  return commands;
}

/** Of a fork: the epoch that its first step lies in, or that its parent ended with the very step before. */
function firstEpoch(run: RunRecord, end: { epoch: number; step: number }): number {
  const { parent } = run.document;
  return parent === null ? 1 : Math.ceil(parent.step / (end.step / end.epoch));
}

function judge(run: RunRecord, end: { epoch: number; step: number }, before: readonly Verdict[]): Verdict {
  const dice = meanDice(run, end.step);
  const history = [...before, { ...end, dice }].map((item) => ({ epoch: item.epoch, value: item.dice }));
  const { stop: rule } = run.document.experiment.training;
  const outcome = earlyStop(history, {
    patience: rule?.patience ?? Number.POSITIVE_INFINITY,
    direction: 'maximize',
  });
  const bestEnd = [...before, end].find((item) => item.epoch === outcome.best?.epoch);
  const best =
    outcome.best === null || bestEnd === undefined
      ? null
      : { epoch: bestEnd.epoch, step: bestEnd.step, dice: outcome.best.value };
  return { ...end, dice, best, stop: rule !== undefined && outcome.stop };
}

function meanDice(run: RunRecord, step: number): number | null {
  const values = run.facts.results
    .filter((result) => result.step === step && result.split === 'validation')
    .sort((a, b) => (a.case < b.case ? -1 : 1)) // the sum's rounding must not depend on the locale
    .flatMap((result) => (result.metrics.dice === null ? [] : [result.metrics.dice]));
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The checkpoint that is tested and reported: the best validated one, else the last. */
export function bestStep(run: RunRecord): number {
  const last = run.facts.verdicts.at(-1);
  return last?.best?.step ?? run.facts.finished?.step ?? run.facts.epochEnds.at(-1)?.step ?? 0;
}

function openEpochs(run: RunRecord): readonly { epoch: number; step: number }[] {
  const judged = new Set(run.facts.verdicts.map((verdict) => verdict.step));
  return run.facts.epochEnds.filter((end) => !judged.has(end.step));
}

function missingCases(run: RunRecord, step: number, split: 'validation' | 'test'): string[] {
  const there = new Set(
    run.facts.results.filter((r) => r.step === step && r.split === split).map((r) => r.case),
  );
  return run.document.split[split].map((item) => item.case).filter((id) => !there.has(id));
}

function caseJob(run: RunRecord, step: number, split: 'validation' | 'test', id: string): Command {
  const jobId = `${split}-${run.document.run}-${String(step)}-${id}`;
  return ensure(run, jobId, {
    kind: 'validate',
    subject: 'case',
    run: run.document.run,
    step,
    split,
    case: id,
  });
}

function ensure(run: RunRecord, jobId: string, job: Job): Command {
  const { fingerprint } = run.document.engine;
  const queue = job.kind === 'prepare' ? ({ kind: 'prepare' } as const) : { kind: job.kind, fingerprint };
  return { kind: 'ensureJob', queue, jobId, job };
}

function caseIds(run: RunRecord): string[] {
  const { train, validation, test } = run.document.split;
  return [...new Set([...train, ...validation, ...test].map((item) => item.case))];
}

/** More members than shards cannot help. */
function slotsOf(run: RunRecord): number {
  const { workers, training } = run.document.experiment;
  return Math.min(workers.max, training.shards);
}

function trainingPlan(run: RunRecord): TrainingPlan {
  const { experiment, split } = run.document;
  const byCase = new Map(run.facts.prepared.map((record) => [record.case, record]));
  const records = (items: readonly { case: string }[]) =>
    items.flatMap((item) => {
      const record = byCase.get(item.case);
      return record === undefined ? [] : [record];
    });
  const cases = {
    train: records(split.train),
    validation: records(split.validation),
    test: records(split.test),
  };
  const perEpoch = stepsPerEpoch({
    cases: cases.train.map((record) => ({ id: record.case, depth: record.depth, liver: record.liver })),
    slices: experiment.data.patch[0],
    blocks: experiment.data.blocks,
    batch: experiment.training.batch,
  });
  return {
    version: 1,
    run: run.document.run,
    stepsPerEpoch: perEpoch,
    stepsTotal: perEpoch * experiment.training.epochs,
    cases,
  };
}

/** The leader's wish for a run: how many members it may have. */
export function wanted(run: RunRecord, state: RunState, slots: number): Command {
  return {
    kind: 'wantRun',
    entry: { run: run.document.run, fingerprint: run.document.engine.fingerprint, state, slots },
  };
}
