import { caseMetricNames, type CaseMetricName } from '@lvnet/evaluation';
import type { RunCase } from './run-report-input.js';

/** Of the values that are defined; null when none is. `sd` divides by n - 1, null for fewer than two. */
export interface Spread {
  mean: number | null;
  sd: number | null;
  median: number | null;
  /** Cases for which the metric is not defined; they are in none of the figures above. */
  undefined: number;
}

export interface SplitSummary {
  split: string;
  cases: readonly RunCase[];
  metrics: Record<CaseMetricName, Spread>;
  /** The case with the lowest Dice; an undefined Dice is lower than any. Null with fewer than two cases. */
  worst: string | null;
}

/** One summary per split: test first, then validation, training, others as they come. */
export function summariseSplits(cases: readonly RunCase[]): SplitSummary[] {
  const splits = [...new Set(cases.map(({ split }) => split))].sort((a, b) => rank(a) - rank(b));
  return splits.map((split) => {
    const own = cases.filter((item) => item.split === split);
    const metrics = Object.fromEntries(
      caseMetricNames.map((name) => [name, spread(own.map((item) => item[name]))]),
    ) as Record<CaseMetricName, Spread>;
    return { split, cases: own, metrics, worst: worstOf(own) };
  });
}

/** Mean, standard deviation and median of the finite values. */
export function spread(values: readonly (number | null)[]): Spread {
  const known = values.filter((value) => value !== null && Number.isFinite(value)) as number[];
  const missing = values.length - known.length;
  if (known.length === 0) return { mean: null, sd: null, median: null, undefined: missing };
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const squares = known.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const sd = known.length < 2 ? null : Math.sqrt(squares / (known.length - 1));
  return { mean, sd, median: median(known), undefined: missing };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1] ?? 0, sorted[sorted.length >> 1] ?? 0];
  return (low + high) / 2;
}

function worstOf(cases: readonly RunCase[]): string | null {
  if (cases.length < 2) return null;
  const dice = (item: RunCase) => item.dice ?? -1;
  return cases.reduce((worst, item) => (dice(item) < dice(worst) ? item : worst)).case;
}

const order = ['test', 'validation', 'train'];
const rank = (split: string): number => (order.includes(split) ? order.indexOf(split) : order.length);
