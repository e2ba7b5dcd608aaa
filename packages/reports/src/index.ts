/**
 * What remains of a run or a sweep for people: one self-contained page, pictures, a table of cases, and
 * the same facts as JSON. Owns ECharts and sharp. Pure from plain data to bytes, then puts them into a store.
 * Knows nothing of training, of Redis or of how metrics are computed.
 */
export { writeRunReport, type RunReport } from './run-report.js';
export { type RunCase, type RunOverlay, type RunReportInput, type RunStep } from './run-report-input.js';
export { type Spread, type SplitSummary } from './case-statistics.js';
export { writeSweepReport } from './sweep-report.js';
export { type SweepReportInput, type SweepTrial } from './sweep-trials.js';
export { encodeCsv, type CsvCell } from './csv.js';
