import { caseMetricNames, type CaseMetricName } from './case-metrics.js';

export interface Summary {
  /** Over the cases for which the metric is defined; null when there is none. */
  mean: Record<CaseMetricName, number | null>;
  /** Cases left out of the mean, per metric. */
  undefined: Record<CaseMetricName, number>;
}

/** Mean per metric over cases; a case without a metric counts as undefined and is in no mean. */
export function summarise(cases: readonly Record<CaseMetricName, number | null>[]): Summary {
  const per = <T>(of: (values: number[]) => T) =>
    Object.fromEntries(
      caseMetricNames.map((name) => [
        name,
        of(cases.map((metrics) => metrics[name]).filter((value) => value !== null)),
      ]),
    ) as Record<CaseMetricName, T>;
  return { mean: per(meanOf), undefined: per((values) => cases.length - values.length) };
}

function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
