import {
  readJson,
  readJsonIfThere,
  readRunEvents,
  runKeys,
  transition,
  type FinishedDocument,
  type RunDocument,
  type RunState,
  type TrialOutcome,
  type Verdict,
} from '@lvnet/experiments';
import type { Store } from '@lvnet/store';
import type { World } from '../world.js';
import type { ControlEvent, ControlServer } from './control-server.js';
import type { RunPlan } from './schedule.js';
import { leadMs } from './sim-coordinator.js';
import { digestOf } from './toy-training.js';
import { expectedEnd } from './expected.js';
import type { Writing } from './watched-store.js';

/** Sees all that happens and says what must never happen. */
export interface Judge {
  onWrite(writing: Writing): void;
  onControl(event: ControlEvent, sender: string): void;
  onRestart(): void;
  onStep(run: string, worker: string): void;
  onSubmitted(run: string, plan: RunPlan | 'trial', created: boolean): void;
  onAsked(run: string, kind: 'cancel' | 'pause' | 'resume'): void;
  /** Runs that are over. */
  overCount(): number;
  isSweepReported(): boolean;
  /** The runs' states in words. */
  summary(): string;
  /** What is to hold once everything is over. */
  atEnd(server: ControlServer, workers: readonly string[]): Promise<void>;
}

const ends: ReadonlySet<RunState> = new Set(['done', 'failed', 'cancelled']);

/** Documents that are there once: whoever writes one again writes the same. */
const immutable =
  /\/(run|plan|finished|sweep|report)\.json$|\/(prepared|validation)\/.*\.json$|\/trials\.jsonl$/;

/** Once a run stands still and nothing has disturbed it for so long, nobody trains it. */
const releaseMs = 7_000;

export function createJudge(
  world: World,
  store: () => Store,
  o: { violate: (text: string) => void; tell: (text: () => string) => void; quietSinceMs: () => number },
): Judge {
  const { violate, tell } = o;
  const states = new Map<string, { state: RunState; sinceMs: number }>();
  const plans = new Map<string, RunPlan | 'trial'>();
  const cancelAsked = new Set<string>();
  const reigns = new Map<string, number>();
  const writers = new Map<string, number>();
  let reignCount = 0;
  let isSweepReported = false;
  let lease = { identity: '', untilMs: 0 };

  const judgeEvents = async (run: string): Promise<void> => {
    const events = await readRunEvents(store(), run);
    let before: RunState = 'queued';
    for (const { state } of events) {
      if (state !== before && transition(before, state) === undefined)
        violate(`${run} goes from ${before} to ${state}: ${events.map((event) => event.state).join(' ')}`);
      before = state;
    }
    const known = states.get(run)?.state;
    if (known !== undefined && ends.has(known) && known !== before)
      violate(`${run} was ${known}, is ${before}`);
    if (before === 'failed') violate(`${run} failed: ${events.at(-1)?.text ?? ''}`);
    if (before === 'cancelled' && !cancelAsked.has(run)) violate(`${run} was cancelled; nobody asked`);
    if (known !== before) states.set(run, { state: before, sinceMs: world.nowMs() });
  };

  const judgeEntry = (event: Extract<ControlEvent, { kind: 'entry' }>, sender: string): void => {
    const reign = reigns.get(`${sender} ${String(event.fence)}`) ?? 0;
    const writer = writers.get(event.run) ?? 0;
    if (event.accepted && reign < writer)
      violate(`${sender}, who led before, replaces what a later leader wrote`);
    if (!event.accepted && reign > writer)
      violate(`${sender} leads, but its entry of ${event.run} is refused`);
    if (event.accepted) writers.set(event.run, Math.max(reign, writer));
  };

  const judgeRun = async (run: string): Promise<void> => {
    const document = await readJsonIfThere<RunDocument>(store(), runKeys.document(run));
    if (document === null) {
      violate(`${run} was submitted and is not there`);
      return;
    }
    if (states.get(run)?.state !== 'done') return;
    const expected = expectedEnd(document);
    const finished = await readJson<FinishedDocument>(store(), runKeys.finished(run));
    if (finished.step !== expected.step || finished.digest !== digestOf(run, expected.step))
      violate(`${run} ends at step ${String(finished.step)}, not at ${String(expected.step)}`);
    const report = await readJson<{ best: Verdict['best']; cases: unknown[] }>(store(), runKeys.report(run));
    const { best } = expected;
    if (JSON.stringify(report.best) !== JSON.stringify(best))
      violate(`${run} reports ${JSON.stringify(report.best)} as best, not ${JSON.stringify(best)}`);
    const { validation, test } = document.split;
    const count = (best === null ? 0 : validation.length) + test.length;
    if (report.cases.length !== count)
      violate(`${run} reports ${String(report.cases.length)} cases, not ${String(count)}`);
  };

  const judgeSweep = async (key: string): Promise<void> => {
    const lines = new TextDecoder().decode(await store().get(key)).split('\n');
    for (const line of lines.filter((text) => text !== '')) {
      const trial = JSON.parse(line) as TrialOutcome;
      const { best, step } = expectedEnd(await readJson<RunDocument>(store(), runKeys.document(trial.run)));
      if (trial.state !== states.get(trial.run)?.state)
        violate(`the sweep says ${trial.run} is ${trial.state}`);
      if (trial.state === 'done' && (trial.objective !== (best?.dice ?? null) || trial.steps !== step))
        violate(`the sweep says ${line}`);
    }
  };

  return {
    onWrite({ key, text, before }) {
      if (before !== undefined && before !== text && immutable.test(key)) {
        violate(`${key} is written again with other content`);
        tell(() => `${before}\n${text}`);
      }
      if (key.endsWith('/trials.jsonl')) isSweepReported = true;
      const run = /^runs\/([^/]+)\/events\//.exec(key)?.[1];
      if (run === undefined) return;
      tell(() => `${key}: ${text.trim()}`);
      void judgeEvents(run);
    },
    onControl(event, sender) {
      if (event.kind === 'entry') {
        judgeEntry(event, sender);
        return;
      }
      if (event.kind === 'released') {
        if (event.identity === lease.identity) lease.untilMs = 0;
        return;
      }
      if (event.isNew) {
        tell(() => `${event.identity} leads with ${String(event.fence)}`);
        if (lease.untilMs > world.nowMs()) violate(`${event.identity} leads while ${lease.identity} does`);
        reigns.set(`${event.identity} ${String(event.fence)}`, ++reignCount);
      }
      lease = { identity: event.identity, untilMs: world.nowMs() + leadMs };
    },
    onRestart() {
      lease.untilMs = 0;
      writers.clear();
    },
    onStep(run, worker) {
      const now = states.get(run);
      if (now === undefined || now.state === 'running' || now.state === 'preparing') return;
      const sinceMs = Math.max(now.sinceMs, o.quietSinceMs());
      if (world.nowMs() - sinceMs > releaseMs) violate(`${worker} trains ${run}, which is ${now.state}`);
    },
    onSubmitted: (run, plan) => void plans.set(run, plan),
    onAsked(run, kind) {
      if (kind === 'cancel') cancelAsked.add(run);
    },
    overCount: () => [...states.values()].filter(({ state }) => ends.has(state)).length,
    isSweepReported: () => isSweepReported,
    summary: () => [...plans.keys()].map((run) => `${run} ${states.get(run)?.state ?? 'queued'}`).join(', '),
    async atEnd(server, workers) {
      for (const run of plans.keys()) await judgeRun(run);
      for await (const { key } of store().list('sweeps/')) if (key.endsWith('.jsonl')) await judgeSweep(key);
      for (const { id } of server.queues.all()) violate(`job ${id} stays`);
      for (const { key, expires, value } of server.keys()) {
        if (expires || key === 'lvnet:leader:fence') continue;
        const strangers =
          value instanceof Set ? [...value].filter((name) => !workers.includes(String(name))) : [''];
        if (strangers.length > 0) violate(`${key} stays: ${JSON.stringify(value)} ${strangers.join()}`);
      }
    },
  };
}
