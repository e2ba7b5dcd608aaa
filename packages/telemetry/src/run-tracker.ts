/** Which runs have live series: bounded, and forgotten when they are over. Pure but for its own two maps. */
export interface RunTracker {
  touch: (run: string) => void;
  remove: (run: string) => void;
  retire: (run: string, dueMs: number) => void;
  evictDue: (nowMs: number) => void;
}

/** Keeps at most `maxRuns`; the run touched longest ago is evicted first. */
export function runTracker(options: { maxRuns: number; onEvict: (run: string) => void }): RunTracker {
  const live = new Set<string>(); // insertion order = order of last touch
  const retiring = new Map<string, number>();
  const remove = (run: string) => {
    live.delete(run);
    retiring.delete(run);
    options.onEvict(run);
  };
  return {
    remove,
    touch(run) {
      live.delete(run);
      live.add(run);
      const oldest = live.values().next().value;
      if (live.size > options.maxRuns && oldest !== undefined) remove(oldest);
    },
    retire(run, dueMs) {
      retiring.set(run, dueMs);
    },
    evictDue(nowMs) {
      for (const [run, dueMs] of retiring) if (dueMs <= nowMs) remove(run);
    },
  };
}
