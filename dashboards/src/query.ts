import { metricSpecs, type MetricKey, type MetricSpec } from '@lvnet/telemetry';

/** Label matchers as PromQL text: a plain value must be equal, `~` before it makes it a pattern. */
export type Matchers = Readonly<Record<string, string>>;

/**
 * A selector for one of our metrics, restricted to the dashboard's chosen runs where the metric has a run.
 * Metrics are named by their handle, so that a renamed metric is a compile error here.
 *
 * @param part which series of a histogram
 */
export function series(key: MetricKey, matchers: Matchers = {}, part: '' | 'sum' | 'count' | 'bucket' = '') {
  const spec: MetricSpec = metricSpecs[key];
  const byRun: Matchers = spec.labels.includes('run') ? { run: '~$run' } : {};
  const text = Object.entries({ ...byRun, ...matchers })
    .map(([label, value]) =>
      value.startsWith('~') ? `${label}=~"${value.slice(1)}"` : `${label}="${value}"`,
    )
    .join(', ');
  const name = part === '' ? spec.name : `${spec.name}_${part}`;
  return text === '' ? name : `${name}{${text}}`;
}

/** Average seconds of a histogram by the given labels over the panel's interval. */
export function meanSeconds(key: MetricKey, by: string): string {
  const rate = (part: 'sum' | 'count') => `sum by (${by}) (rate(${series(key, {}, part)}[$__rate_interval]))`;
  return `${rate('sum')} / ${rate('count')}`;
}

/** A quantile of a histogram by the given labels over the panel's interval. */
export function quantileSeconds(key: MetricKey, quantile: number, by: string): string {
  const buckets = series(key, {}, 'bucket');
  return `histogram_quantile(${String(quantile)}, sum by (le, ${by}) (rate(${buckets}[$__rate_interval])))`;
}

/** Change per second of a counter by the given labels. */
export const ratePerSecond = (key: MetricKey, by: string): string =>
  `sum by (${by}) (rate(${series(key)}[$__rate_interval]))`;
