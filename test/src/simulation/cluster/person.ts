import { submitRun, submitSweep } from '@lvnet/coordinator';
import {
  parseExperiment,
  parseSweep,
  readRunEvents,
  type Experiment,
  type RunSplit,
  type RunState,
} from '@lvnet/experiments';
import type { Registry } from '@lvnet/queue';
import type { Store } from '@lvnet/store';
import type { SimProcess } from '../world.js';
import type { ClusterSchedule, RunPlan, Wish } from './schedule.js';

export interface PersonParts {
  process: SimProcess;
  store: Store;
  registry: Registry;
  engine: { kind: string; fingerprint: string };
  onSubmitted: (run: string, plan: RunPlan | 'trial', created: boolean) => void;
  onAsked: (run: string, kind: 'cancel' | 'pause' | 'resume') => void;
}

const base = {
  name: 'run',
  data: { root: '/data', patch: [16, 32, 32], split: { train: 2, validation: 1, test: 1 } },
  network: { name: 'lv-net', levels: 2 },
  loss: { eta: [0.5] },
  training: { batch: 2, shards: 2, epochs: 2 },
  workers: { min: 1, max: 2 },
  checkpoint: { everySteps: 3, keep: 2 },
};
const experiment = parseExperiment(JSON.stringify(base));
const sweeps = [2, 3].map((trials) =>
  parseSweep(
    JSON.stringify({
      ...{ ...base, seed: { choice: Array.from({ length: trials }, (_, i) => 100 + i) } },
      search: { algorithm: 'grid', parallel: 1 },
    }),
  ),
);

/** Somebody who submits runs, asks for things as the command line does, and asks again when nobody acts. */
export function startPerson(schedule: ClusterSchedule, parts: PersonParts): void {
  const { process } = parts;
  const submitted = schedule.runs.map((plan, i) => submit(plan, i, parts));
  for (const wish of schedule.wishes) {
    process.later(wish.atMs, 'timer', () => {
      void submitted[wish.run]?.then((run) => fulfil(run, wish, parts));
    });
  }
  if (schedule.sweep !== null) void submitTrials(schedule.sweep, parts);
}

async function submit(plan: RunPlan, index: number, parts: PersonParts): Promise<string> {
  const { process, engine, store, registry } = parts;
  await process.clock.sleep(plan.submitMs);
  const context = { store, registry, engine, now: process.clock.now };
  const { document, created } = await insist(parts, () =>
    submitRun(context, experimentOf(plan, index), { split: splitOf(plan) }),
  );
  parts.onSubmitted(document.run, plan, created);
  return document.run;
}

async function submitTrials(
  { trials, parallel, submitMs }: NonNullable<ClusterSchedule['sweep']>,
  parts: PersonParts,
): Promise<void> {
  const { process, engine, store, registry } = parts;
  await process.clock.sleep(submitMs);
  const sweep = sweeps.find(({ axes }) => axes[0]?.choice.length === trials);
  if (sweep === undefined) throw new Error(`no sweep of ${String(trials)} trials`);
  const context = { store, registry, engine, now: process.clock.now };
  const split = splitOf({ validation: 1, test: 0 });
  const found = await insist(parts, () =>
    submitSweep(context, { ...sweep, search: { ...sweep.search, parallel } }, { split }),
  );
  for (const trial of found.document.trials) parts.onSubmitted(trial.run, 'trial', found.created);
}

function experimentOf(plan: RunPlan, index: number): Experiment {
  const { epochs, patience, workersMax, priority } = plan;
  const { stop: _stop, ...training } = experiment.training;
  const stop = patience === null ? {} : { stop: { metric: 'dice' as const, patience } };
  return {
    ...{ ...experiment, seed: index, priority },
    training: { ...training, epochs, ...stop },
    workers: { ...experiment.workers, max: workersMax },
  };
}

function splitOf({ validation, test }: { validation: number; test: number }): RunSplit {
  const items = (split: string, count: number) =>
    Array.from({ length: count }, (_, i) => ({
      case: `${split}${String(i)}`,
      contentSha256: `${split}${String(i)}`,
    }));
  return { train: items('train', 2), validation: items('validation', validation), test: items('test', test) };
}

const live: readonly RunState[] = ['queued', 'preparing', 'running', 'validating'];
const allowed: Record<'cancel' | 'pause' | 'resume', readonly RunState[]> = {
  cancel: [...live, 'paused'],
  pause: ['preparing', 'running'],
  resume: ['paused'],
};

async function fulfil(run: string, wish: Wish, parts: PersonParts): Promise<void> {
  if (wish.kind === 'cancel') await ask(run, 'cancel', parts);
  else {
    await ask(run, 'pause', parts);
    await parts.process.clock.sleep(wish.forMs);
    await keepGoing(run, parts);
  }
}

const answerLimitMs = 15_000;

/** Asks until the state changed or allows it no more. */
async function ask(run: string, kind: 'cancel' | 'pause' | 'resume', parts: PersonParts): Promise<void> {
  const { process, store, registry } = parts;
  const stateOf = () =>
    insist(parts, async () => (await readRunEvents(store, run)).at(-1)?.state ?? 'queued');
  let before = await stateOf();
  while (allowed[kind].includes(before)) {
    parts.onAsked(run, kind);
    await insist(parts, () => registry.request({ kind, run }));
    const untilMs = process.clock.monotonicMs() + answerLimitMs;
    let now = before;
    while (now === before && process.clock.monotonicMs() < untilMs) {
      await process.clock.sleep(300);
      now = await stateOf();
    }
    // Another change came first: what was asked for may still follow.
    if (now !== before && kind !== 'cancel') return;
    before = now;
  }
}

/** A pause that was asked for may come late: resumes whenever the run is found paused. */
async function keepGoing(run: string, parts: PersonParts): Promise<void> {
  for (;;) {
    await ask(run, 'resume', parts);
    await parts.process.clock.sleep(1_000);
  }
}

async function insist<T>({ process }: PersonParts, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch {
      await process.clock.sleep(500);
    }
  }
}
