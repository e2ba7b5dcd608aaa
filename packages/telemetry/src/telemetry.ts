import { invariant, systemClock, type Clock } from '@lvnet/core';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { metricSpecs, type MetricKey, type MetricSpec } from './metric-table.js';
import { runTracker } from './run-tracker.js';

/** Label values of one series; every label of the metric must be given. */
type LabelsOf<S extends MetricSpec> = Readonly<Record<S['labels'][number], string>>;

export interface GaugeHandle<L> {
  set(labels: L, value: number): void;
  /** Forgets one series. */
  remove(labels: L): void;
}
export interface CounterHandle<L> {
  /** @param amount >= 0, default 1 */
  add(labels: L, amount?: number): void;
}
export interface HistogramHandle<L> {
  observe(labels: L, seconds: number): void;
}

type HandleOf<S extends MetricSpec> = S['type'] extends 'gauge'
  ? GaugeHandle<LabelsOf<S>>
  : S['type'] extends 'counter'
    ? CounterHandle<LabelsOf<S>>
    : HistogramHandle<LabelsOf<S>>;

export type MetricHandles = { readonly [K in MetricKey]: HandleOf<(typeof metricSpecs)[K]> };

export interface TelemetryOptions {
  process: 'coordinator' | 'worker';
  version?: string;
  /** Most runs with live series; the one written longest ago goes first. Default 32. */
  maxRuns?: number;
  /** Node's own process metrics too. Default true. */
  processMetrics?: boolean;
  clock?: Clock;
}

export interface Telemetry {
  readonly process: 'coordinator' | 'worker';
  readonly metrics: MetricHandles;
  readonly contentType: string;
  /** The text exposition of this process; runs the collectors first. */
  readonly text: () => Promise<string>;
  /** Called before every exposition, for values that are looked up rather than pushed (ages, queue sizes). */
  readonly onCollect: (collector: () => void | Promise<void>) => void;
  /** Drops every series of the run at once. */
  readonly removeRun: (run: string) => void;
  /** Drops the series of an ended run after `delayMs` (default ten minutes), at the next exposition. */
  readonly retireRun: (run: string, delayMs?: number) => void;
}

const RETIREMENT_MS = 600_000;

/** Metrics of one process in a registry of its own (never prom-client's global one). */
export function createTelemetry(options: TelemetryOptions): Telemetry {
  const registry = new Registry();
  const clock = options.clock ?? systemClock;
  const instruments = new Map<string, Instrument>();
  for (const [key, spec] of Object.entries(metricSpecs)) instruments.set(key, instrumentOf(spec, registry));
  const removeSeries = (run: string) => {
    for (const instrument of instruments.values()) instrument.removeRun(run);
  };
  const runs = runTracker({ maxRuns: options.maxRuns ?? 32, onEvict: removeSeries });
  const metrics = handlesOf(instruments, runs.touch);
  if (options.processMetrics ?? true) addProcessMetrics(registry);
  metrics.buildInfo.set(
    { version: options.version ?? '0.0.0', process: options.process, node: process.version },
    1,
  );
  const collectors: (() => void | Promise<void>)[] = [];
  return {
    process: options.process,
    metrics,
    contentType: registry.contentType,
    async text() {
      for (const collector of collectors) await collector();
      runs.evictDue(clock.now());
      return registry.metrics();
    },
    onCollect: (collector) => void collectors.push(collector),
    removeRun: runs.remove,
    retireRun: (run, delayMs = RETIREMENT_MS) => {
      runs.retire(run, clock.now() + delayMs);
    },
  };
}

/** What the three kinds of prom-client metrics have in common for us. */
interface Instrument {
  write: (labels: Record<string, string>, value: number) => void;
  remove: (labels: Record<string, string>) => void;
  removeRun: (run: string) => void;
}

function instrumentOf(spec: MetricSpec, registry: Registry): Instrument {
  const configuration = {
    name: spec.name,
    help: spec.help,
    labelNames: [...spec.labels],
    registers: [registry],
  };
  const seen = new Map<string, Record<string, string>>();
  const metric = openMetric(spec, configuration);
  const forget = (key: string, labels: Record<string, string>) => {
    metric.remove(labels);
    seen.delete(key);
  };
  return {
    write(labels, value) {
      const key = JSON.stringify(spec.labels.map((label) => labels[label]));
      if (!seen.has(key)) seen.set(key, { ...labels });
      metric.write(labels, value);
    },
    remove(labels) {
      forget(JSON.stringify(spec.labels.map((label) => labels[label])), labels);
    },
    removeRun(run) {
      for (const [key, labels] of seen) if (labels['run'] === run) forget(key, labels);
    },
  };
}

interface MetricConfiguration {
  name: string;
  help: string;
  labelNames: string[];
  registers: Registry[];
}

function openMetric(spec: MetricSpec, configuration: MetricConfiguration) {
  if (spec.type === 'gauge') {
    const gauge = new Gauge(configuration);
    return { write: gauge.set.bind(gauge), remove: gauge.remove.bind(gauge) };
  }
  if (spec.type === 'counter') {
    const counter = new Counter(configuration);
    return { write: counter.inc.bind(counter), remove: counter.remove.bind(counter) };
  }
  invariant(spec.buckets !== undefined, `${spec.name} has buckets`);
  const histogram = new Histogram({ ...configuration, buckets: [...spec.buckets] });
  return { write: histogram.observe.bind(histogram), remove: histogram.remove.bind(histogram) };
}

function handlesOf(
  instruments: ReadonlyMap<string, Instrument>,
  touch: (run: string) => void,
): MetricHandles {
  const entries = [...instruments].map(([key, instrument]) => {
    const write = (labels: Record<string, string>, value: number) => {
      if (labels['run'] !== undefined) touch(labels['run']);
      instrument.write(labels, value);
    };
    const add = (labels: Record<string, string>, amount = 1) => {
      write(labels, amount);
    };
    return [key, { set: write, observe: write, add, remove: instrument.remove }] as const;
  });
  return Object.fromEntries(entries) as unknown as MetricHandles;
}

/** Without nodejs_active_*: gauges whose names end in _total, which promtool rightly refuses. */
function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  for (const { name } of registry.getMetricsAsArray()) {
    if (/^nodejs_active_.*/.test(name)) registry.removeSingleMetric(name);
  }
}
