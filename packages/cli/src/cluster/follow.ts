import type { RunStatus, SweepStatus } from '@lvnet/coordinator';
import { Failure } from '@lvnet/core';
import { openLiveView } from '../views/live.js';
import type { Connection } from './connection.js';
import { table } from './print.js';
import { stopSignal } from './stop-signal.js';
import { watchRun } from './watch-run.js';

export function sweepLines(status: SweepStatus): string[] {
  return [
    `sweep ${status.sweep} (${status.name}): ${status.state}`,
    ...table([
      ['run', 'state', 'steps', 'objective', 'values'],
      ...status.trials.map((trial) => [
        trial.run,
        trial.state,
        String(trial.steps),
        trial.objective?.toFixed(4) ?? '-',
        JSON.stringify(trial.values),
      ]),
    ]),
    ...(status.best === null ? [] : [`best: ${status.best.run} ${JSON.stringify(status.best.values)}`]),
    ...(status.report === null ? [] : [`report: ${status.report}`]),
  ];
}

/** Shows a run until it is over; Ctrl-C ends the watching, not the run. */
export async function follow(connection: Connection, id: string): Promise<RunStatus> {
  const view = openLiveView(process.stderr);
  const stop = stopSignal(() => {
    view.note(`The run goes on. Watch it again: npx lvnet watch ${id}`);
  });
  try {
    return await watchRun(
      connection,
      id,
      (status) => {
        view.show(status);
      },
      stop.signal,
    );
  } finally {
    view.close();
    stop.release();
  }
}

export function throwIfFailed(status: RunStatus): void {
  const failure = failureOf(status);
  if (failure !== undefined) throw failure;
}

export function failureOf(status: RunStatus): Failure | undefined {
  if (status.state === 'done') return undefined;
  return new Failure(
    'INTERNAL',
    { run: status.run, state: status.state },
    { message: `Run ${status.run} ${status.state}: ${status.reason ?? 'no reason given'}` },
  );
}
