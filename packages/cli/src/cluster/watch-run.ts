import { sleep } from '@lvnet/core';
import { readStatus, readSweepStatus, type RunStatus, type SweepStatus } from '@lvnet/coordinator';
import type { Registry } from '@lvnet/queue';
import type { Store } from '@lvnet/store';

const isEnd = (status: RunStatus): boolean =>
  status.state === 'done' || status.state === 'failed' || status.state === 'cancelled';

/** Looks at a run again and again until it is over; the last status. */
export async function watchRun(
  { store, registry }: { store: Store; registry: Registry | undefined },
  run: string,
  onStatus: (status: RunStatus) => void | Promise<void>,
  signal: AbortSignal,
  everyMs = 400,
): Promise<RunStatus> {
  for (;;) {
    const status = await readStatus(store, registry, run);
    await onStatus(status);
    if (isEnd(status)) return status;
    await sleep(everyMs, signal);
  }
}

export async function watchSweep(
  { store, registry }: { store: Store; registry: Registry | undefined },
  sweep: string,
  onLine: (text: string) => void,
  signal: AbortSignal,
  everyMs = 1_000,
): Promise<SweepStatus> {
  const told = new Map<string, string>();
  for (;;) {
    const status = await readSweepStatus(store, registry, sweep);
    for (const trial of status.trials) {
      if (told.get(trial.run) === trial.state) continue;
      told.set(trial.run, trial.state);
      const objective = trial.objective === null ? '' : `, objective ${trial.objective.toFixed(4)}`;
      onLine(`${trial.run} ${JSON.stringify(trial.values)}: ${trial.state}${objective}`);
    }
    if (status.state === 'done') return status;
    await sleep(everyMs, signal);
  }
}
