import { sleep } from '@lvnet/core';
import type { Registry } from '@lvnet/queue';

export interface Commit {
  step: number;
  atMs: number;
}

/** When a run's steps were committed, as its writing member says; looked at all the time. */
export interface StepTimes extends AsyncDisposable {
  commits(): readonly Commit[];
  /** For how long this process was not run in a stretch of time, though it was due: others had the processors. */
  heldUpMs(fromMs: number, toMs: number): number;
}

/** A timer is late by so much on a quiet machine, too. */
const usualLateMs = 20;

/** @param lookEveryMs shorter than a step */
export function watchSteps(registry: Registry, run: string, lookEveryMs = 5): StepTimes {
  const commits: Commit[] = [];
  const late: { atMs: number; ms: number }[] = [];
  const end = new AbortController();
  const watching = (async () => {
    while (!end.signal.aborted) {
      const fromMs = performance.now();
      await sleep(lookEveryMs);
      const lateMs = performance.now() - fromMs - lookEveryMs;
      if (lateMs > usualLateMs) late.push({ atMs: Date.now(), ms: lateMs });
      const progress = await registry.progress(run).catch(() => undefined);
      if (progress === undefined || progress.step === commits.at(-1)?.step) continue;
      commits.push({ step: progress.step, atMs: Date.parse(progress.at) });
    }
  })();
  return {
    commits: () => commits,
    heldUpMs: (fromMs, toMs) =>
      late.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs).reduce((sum, { ms }) => sum + ms, 0),
    async [Symbol.asyncDispose]() {
      end.abort();
      await watching;
    },
  };
}

/** Milliseconds between one step and the next, of those whose first is in a stretch of time. */
export function gapsMs(
  commits: readonly Commit[],
  fromMs: number,
  toMs = Number.POSITIVE_INFINITY,
): number[] {
  return commits.flatMap(({ step, atMs }, i) => {
    const next = commits[i + 1];
    return next?.step === step + 1 && atMs >= fromMs && atMs <= toMs ? [next.atMs - atMs] : [];
  });
}

/** The longest time without a commit from a strike on, of the steps that it can have struck. */
export function recovery(commits: readonly Commit[], strikeMs: number): { ms: number; endMs: number } {
  const after = commits.findIndex(({ atMs }) => atMs >= strikeMs);
  const struck = after < 0 ? [] : commits.slice(after, after + 3);
  const gaps = struck.map(({ atMs }, i) => {
    const before = commits[after + i - 1]?.atMs ?? strikeMs;
    return { ms: atMs - Math.max(before, strikeMs), endMs: atMs };
  });
  return gaps.reduce((worst, gap) => (gap.ms > worst.ms ? gap : worst), {
    ms: after < 0 ? Number.POSITIVE_INFINITY : 0,
    endMs: strikeMs,
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
