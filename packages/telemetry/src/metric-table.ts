/** One row for every metric of lvnet: the single place where names, labels, units and exporters are written down. */
export interface MetricSpec {
  readonly name: `lvnet_${string}`;
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  readonly unit: 'steps' | 'ratio' | 'seconds' | 'bytes' | 'count' | 'none';
  /** The process whose /metrics carries the series; a run's own series come from one process only. */
  readonly exportedBy: 'coordinator' | 'worker' | 'both';
  /** Upper bounds of a histogram, in seconds. */
  readonly buckets?: readonly number[];
}

/** 5 ms to 10 min: a tiny phantom's step takes tens of milliseconds, a big one on a CPU takes minutes. */
const STEP_BUCKETS_SECONDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600,
] as const;
const CHECKPOINT_BUCKETS_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300] as const;
/** A copy of 20 MB takes a few milliseconds; 50 is the bound. */
const BLOCKING_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 1] as const;

/** Handle name to metric: `telemetry.metrics.stepSeconds` writes `lvnet_step_seconds`. */
export const metricSpecs = {
  step: {
    name: 'lvnet_step',
    type: 'gauge',
    help: 'Last committed optimiser step of the run.',
    labels: ['run'],
    unit: 'steps',
    exportedBy: 'coordinator',
  },
  loss: {
    name: 'lvnet_loss',
    type: 'gauge',
    help: 'Training loss of the last committed step; head is total, main or 1..4.',
    labels: ['run', 'head'],
    unit: 'none',
    exportedBy: 'coordinator',
  },
  dice: {
    name: 'lvnet_dice',
    type: 'gauge',
    help: 'Mean Dice over the cases of a split at the last verdict.',
    labels: ['run', 'split'],
    unit: 'ratio',
    exportedBy: 'coordinator',
  },
  stepSeconds: {
    name: 'lvnet_step_seconds',
    type: 'histogram',
    help: 'Seconds that one step spent in a phase on this worker; phase is data, forward, backward, exchange or update.',
    labels: ['run', 'phase'],
    unit: 'seconds',
    exportedBy: 'worker',
    buckets: STEP_BUCKETS_SECONDS,
  },
  exchangeBytes: {
    name: 'lvnet_exchange_bytes_total',
    type: 'counter',
    help: 'Bytes of partial sums and sums moved by this worker; direction is sent or received.',
    labels: ['run', 'direction'],
    unit: 'bytes',
    exportedBy: 'worker',
  },
  shards: {
    name: 'lvnet_shards_total',
    type: 'counter',
    help: 'Shards computed by this worker; outcome is committed, repeated or wasted.',
    labels: ['run', 'outcome'],
    unit: 'count',
    exportedBy: 'worker',
  },
  members: {
    name: 'lvnet_members',
    type: 'gauge',
    help: 'Workers in the agreed membership of the run.',
    labels: ['run'],
    unit: 'count',
    exportedBy: 'coordinator',
  },
  viewChanges: {
    name: 'lvnet_view_changes_total',
    type: 'counter',
    help: 'Changes of the agreed membership; reason is join, leave or lost.',
    labels: ['run', 'reason'],
    unit: 'count',
    exportedBy: 'coordinator',
  },
  wasteSeconds: {
    name: 'lvnet_waste_seconds_total',
    type: 'counter',
    help: 'Seconds of this worker for shards that no committed step needed; cause is check, speculated, discarded, evicted or failed.',
    labels: ['run', 'cause'],
    unit: 'seconds',
    exportedBy: 'worker',
  },
  checkpointSeconds: {
    name: 'lvnet_checkpoint_seconds',
    type: 'histogram',
    help: 'Seconds from the copy of the weights to the stored manifest.',
    labels: ['run'],
    unit: 'seconds',
    exportedBy: 'worker',
    buckets: CHECKPOINT_BUCKETS_SECONDS,
  },
  checkpointBlockingSeconds: {
    name: 'lvnet_checkpoint_blocking_seconds',
    type: 'histogram',
    help: 'Seconds for which training waited for a checkpoint: the copy of the state in memory.',
    labels: ['run'],
    unit: 'seconds',
    exportedBy: 'worker',
    buckets: BLOCKING_BUCKETS_SECONDS,
  },
  checkpointAgeSeconds: {
    name: 'lvnet_checkpoint_age_seconds',
    type: 'gauge',
    help: 'Seconds since the newest complete checkpoint of the run.',
    labels: ['run'],
    unit: 'seconds',
    exportedBy: 'coordinator',
  },
  queueJobs: {
    name: 'lvnet_queue_jobs',
    type: 'gauge',
    help: 'Jobs in a queue by state.',
    labels: ['queue', 'state'],
    unit: 'count',
    exportedBy: 'coordinator',
  },
  trials: {
    name: 'lvnet_trials',
    type: 'gauge',
    help: 'Trials of all live sweeps by state.',
    labels: ['state'],
    unit: 'count',
    exportedBy: 'coordinator',
  },
  budgetSeconds: {
    name: 'lvnet_budget_seconds',
    type: 'gauge',
    help: 'Device seconds of all live sweeps; kind is granted or used.',
    labels: ['kind'],
    unit: 'seconds',
    exportedBy: 'coordinator',
  },
  deviceMemoryBytes: {
    name: 'lvnet_device_memory_bytes',
    type: 'gauge',
    help: 'Memory of the device of this worker; kind is used, peak or total.',
    labels: ['kind'],
    unit: 'bytes',
    exportedBy: 'worker',
  },
  buildInfo: {
    name: 'lvnet_build_info',
    type: 'gauge',
    help: 'Always 1; the labels say what runs here.',
    labels: ['version', 'process', 'node'],
    unit: 'none',
    exportedBy: 'both',
  },
} as const satisfies Record<string, MetricSpec>;

export type MetricKey = keyof typeof metricSpecs;

/** Every metric as a plain list, for dashboards, alerts and their tests. */
export const metricTable: readonly MetricSpec[] = Object.values(metricSpecs);
