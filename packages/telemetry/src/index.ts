/**
 * What a process says about itself: the table of every metric, /metrics and /healthz, the JSON log.
 * Owns prom-client and pino; no other package knows them.
 * Libraries do not use this: they report facts to their caller, and the processes connect facts to metrics.
 */
export { metricTable, metricSpecs, type MetricKey, type MetricSpec } from './metric-table.js';
export {
  createTelemetry,
  type CounterHandle,
  type GaugeHandle,
  type HistogramHandle,
  type MetricHandles,
  type Telemetry,
  type TelemetryOptions,
} from './telemetry.js';
export { serveMetrics, type Health, type MetricsServer } from './serve.js';
export {
  createLogger,
  logLevels,
  type LogFields,
  type Logger,
  type LoggerOptions,
  type LogLevel,
} from './logger.js';
export { lineRedactor } from './redaction.js';
