/** What a sweep's report is made from. */
export interface SweepReportInput {
  sweep: string;
  name: string;
  objective: { metric: string; direction: 'maximize' | 'minimize' };
  trials: readonly SweepTrial[];
  best: SweepTrial | null;
}

export interface SweepTrial {
  run: string;
  /** The searched values by path, as `network.expansionRate`. */
  values: Readonly<Record<string, unknown>>;
  state: string;
  objective: number | null;
  steps: number;
}

/** A searched path and its different values as texts: numbers ascending, others as they come. */
export interface Axis {
  path: string;
  values: readonly string[];
}

export function sweepAxes(trials: readonly SweepTrial[]): Axis[] {
  const paths = [...new Set(trials.flatMap(({ values }) => Object.keys(values)))];
  return paths.map((path) => {
    const found = trials.map(({ values }) => values[path]).filter((value) => value !== undefined);
    const sorted = found.every((value) => typeof value === 'number') ? found.sort((a, b) => a - b) : found;
    return { path, values: [...new Set(sorted.map(valueText))] };
  });
}

/** Best first; trials without an objective last, in their order. */
export function sortTrials({
  trials,
  objective,
}: Pick<SweepReportInput, 'trials' | 'objective'>): SweepTrial[] {
  const sign = objective.direction === 'maximize' ? -1 : 1;
  const key = (trial: SweepTrial) => (trial.objective === null ? Infinity : sign * trial.objective);
  return [...trials].sort((a, b) => (key(a) === key(b) ? 0 : key(a) - key(b)));
}

/** A searched value as a short text. */
export function valueText(value: unknown): string {
  if (value === undefined) return '–';
  if (typeof value === 'number') return String(Number(value.toPrecision(4)));
  return typeof value === 'string' ? value : JSON.stringify(value);
}
