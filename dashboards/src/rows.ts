import type { PanelSpec, Query, RowSpec } from './panels.js';
import { meanSeconds, quantileSeconds, ratePerSecond, series } from './query.js';

const query = (expression: string, legend: string): Query => ({ expression, legend });

/** Run-level series come from the leader; after a change of leader both are there for a moment: take the larger. */
const perRun = (selector: string, by = 'run'): string => `max by (${by}) (${selector})`;

function stat(title: string, description: string, unit: string, only: Query, decimals?: number): PanelSpec {
  return {
    title,
    description,
    unit,
    kind: 'stat',
    width: 4,
    queries: [only],
    ...(decimals === undefined ? {} : { decimals }),
  };
}

function lines(
  title: string,
  description: string,
  unit: string,
  queries: Query[],
  more: Partial<PanelSpec> = {},
): PanelSpec {
  return { title, description, unit, queries, kind: 'timeseries', width: 12, ...more };
}

const now: RowSpec = {
  title: 'Now',
  panels: [
    stat('Step', 'Last committed step.', 'none', query(perRun(series('step')), '{{run}}'), 0),
    stat('Members', 'Workers that train the run.', 'none', query(perRun(series('members')), '{{run}}'), 0),
    stat('Loss', 'Total loss.', 'none', query(perRun(series('loss', { head: 'total' })), '{{run}}'), 4),
    stat(
      'Dice',
      'Mean Dice, last verdict.',
      'none',
      query(perRun(series('dice'), 'run, split'), '{{run}} {{split}}'),
      3,
    ),
    stat(
      'Checkpoint age',
      'What a total loss of the cluster would cost.',
      's',
      query(perRun(series('checkpointAgeSeconds')), '{{run}}'),
    ),
    stat(
      'Processes',
      'Coordinators and workers that answer.',
      'none',
      query(`count by (process, version) (${series('buildInfo')})`, '{{process}} {{version}}'),
      0,
    ),
  ],
};

const learning: RowSpec = {
  title: 'Learning',
  panels: [
    lines(
      'Loss by head',
      'Deep supervision: main and the heads 1 to 4, coarse to fine as the experiment says.',
      'none',
      [query(perRun(series('loss'), 'run, head'), '{{run}} {{head}}')],
      { logarithmic: true },
    ),
    lines(
      'Dice',
      'Mean Dice over the cases of a split at each verdict.',
      'none',
      [query(perRun(series('dice'), 'run, split'), '{{run}} {{split}}')],
      { min: 0, max: 1 },
    ),
  ],
};

const speed: RowSpec = {
  title: 'Where the time goes',
  panels: [
    lines('Steps per minute', 'Committed steps.', 'none', [
      query(`60 * max by (run) (clamp_min(deriv(${series('step')}[5m]), 0))`, '{{run}}'),
    ]),
    lines(
      'A step by phase',
      'Mean seconds of a worker; exchange includes waiting for the slowest member.',
      's',
      [query(meanSeconds('stepSeconds', 'run, phase'), '{{run}} {{phase}}')],
      { stacked: true },
    ),
    lines('Slow steps', '95th percentile by phase.', 's', [
      query(quantileSeconds('stepSeconds', 0.95, 'run, phase'), '{{run}} {{phase}}'),
    ]),
    lines('Waiting by worker', 'Mean seconds in exchange: the worker that waits least is the slowest.', 's', [
      query(
        `sum by (instance, run) (rate(${series('stepSeconds', { phase: 'exchange' }, 'sum')}[$__rate_interval]))` +
          ` / sum by (instance, run) (rate(${series('stepSeconds', { phase: 'exchange' }, 'count')}[$__rate_interval]))`,
        '{{instance}} {{run}}',
      ),
    ]),
    lines('Exchange', 'Bytes per second of all workers.', 'Bps', [
      query(ratePerSecond('exchangeBytes', 'run, direction'), '{{run}} {{direction}}'),
    ]),
    lines('Checkpoints', 'Seconds from the copy of the weights to the stored manifest.', 's', [
      query(meanSeconds('checkpointSeconds', 'run'), '{{run}} mean'),
      query(quantileSeconds('checkpointSeconds', 0.95, 'run'), '{{run}} p95'),
      query(quantileSeconds('checkpointBlockingSeconds', 0.95, 'run'), '{{run}} p95, training waits'),
    ]),
  ],
};

const faults: RowSpec = {
  title: 'Members and waste',
  panels: [
    lines(
      'Members',
      'Workers in the agreed membership.',
      'none',
      [query(perRun(series('members')), '{{run}}')],
      { min: 0, decimals: 0 },
    ),
    lines('View changes', 'Changes of the membership, by reason.', 'none', [
      query(
        `sum by (run, reason) (increase(${series('viewChanges')}[$__rate_interval]))`,
        '{{run}} {{reason}}',
      ),
    ]),
    lines(
      'Waste by cause',
      'Seconds per second for shards that no committed step needed, all workers.',
      'none',
      [query(ratePerSecond('wasteSeconds', 'run, cause'), '{{run}} {{cause}}')],
      { stacked: true, min: 0 },
    ),
    lines(
      'Shards by outcome',
      'Repeated and wasted shards are the price of faults and checks.',
      'none',
      [query(ratePerSecond('shards', 'run, outcome'), '{{run}} {{outcome}}')],
      { stacked: true },
    ),
  ],
};

const work: RowSpec = {
  title: 'Queues and sweeps',
  panels: [
    lines(
      'Jobs',
      'By queue and state.',
      'none',
      [query(perRun(series('queueJobs'), 'queue, state'), '{{queue}} {{state}}')],
      { width: 8, min: 0, decimals: 0 },
    ),
    lines('Trials', 'Of all live sweeps.', 'none', [query(perRun(series('trials'), 'state'), '{{state}}')], {
      width: 8,
      stacked: true,
      min: 0,
      decimals: 0,
    }),
    {
      title: 'Budget',
      description: 'Device seconds of all live sweeps.',
      unit: 's',
      kind: 'bargauge',
      width: 8,
      min: 0,
      queries: [query(perRun(series('budgetSeconds'), 'kind'), '{{kind}}')],
    },
  ],
};

const devices: RowSpec = {
  title: 'Devices',
  panels: [
    lines(
      'Device memory',
      'By worker.',
      'bytes',
      [query(`max by (instance, kind) (${series('deviceMemoryBytes')})`, '{{instance}} {{kind}}')],
      { width: 24, min: 0 },
    ),
  ],
};

/** The board, top to bottom: is it well, does it learn, is it fast, what did faults cost, what comes next. */
export const rows: readonly RowSpec[] = [now, learning, speed, faults, work, devices];
