import {
  listRuns,
  readStatus,
  readSweepStatus,
  resolveRun,
  resolveSweep,
  type RunStatus,
} from '@lvnet/coordinator';
import { renderRun } from '../views/run-view.js';
import { withCluster, withStore } from './connection.js';
import { follow, sweepLines, throwIfFailed } from './follow.js';
import { print, table, terminal } from './print.js';
import { requestState } from './requests.js';

export async function list(json: boolean): Promise<void> {
  await withStore(async (store, registry) => {
    const runs = await listRuns(store, registry);
    print(json, { runs }, () =>
      runs.length === 0
        ? ['No runs yet. Submit one: npx lvnet run experiment.yaml']
        : table([['run', 'name', 'state', 'step', 'loss', 'dice', 'members'], ...runs.map(runRow)]),
    );
  });
}

const runRow = (run: RunStatus): string[] => [
  run.run,
  run.name,
  run.state,
  run.stepsTotal === null ? '-' : `${String(run.step)}/${String(run.stepsTotal)}`,
  run.losses?.['total']?.toFixed(4) ?? '-',
  run.metrics.dice?.toFixed(3) ?? '-',
  String(run.members.length),
];

export async function status(reference: string, json: boolean): Promise<void> {
  await withStore(async (store, registry) => {
    const sweep = await resolveSweep(store, reference);
    if (sweep !== undefined) {
      const found = await readSweepStatus(store, registry, sweep);
      print(json, found, () => sweepLines(found));
      return;
    }
    const found = await readStatus(store, registry, await resolveRun(store, reference));
    print(json, found, () => renderRun(found, terminal()));
  });
}

export async function watch(reference: string): Promise<void> {
  await withCluster(async (connection) => {
    const last = await follow(connection, await resolveRun(connection.store, reference));
    print(false, last, () => renderRun(last, terminal()));
    throwIfFailed(last);
  });
}

export async function request(
  kind: 'cancel' | 'pause' | 'resume',
  reference: string,
  json: boolean,
): Promise<void> {
  await withCluster(async (connection) => {
    const after = await requestState(connection, reference, kind);
    print(json, after, () => [`run ${after.run} is ${after.state}`]);
  });
}
