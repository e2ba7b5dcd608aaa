import { caseMetricNames } from '@lvnet/evaluation';
import type { RunCase } from './run-report-input.js';

export type CsvCell = string | number | null;

/** RFC 4180: lines end in CRLF, cells with a comma, a quote or a line break are quoted; null is empty. */
export function encodeCsv(rows: readonly (readonly CsvCell[])[]): string {
  return rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

/** One line per case, full precision; an empty cell is a metric that is not defined. */
export function casesCsv(cases: readonly RunCase[]): string {
  const header = ['case', 'split', ...caseMetricNames, 'volumeMl'];
  const lines = cases.map((item) => [
    item.case,
    item.split,
    ...caseMetricNames.map((name) => item[name]),
    item.volumeMl,
  ]);
  return encodeCsv([header, ...lines]);
}

function cell(value: CsvCell): string {
  if (value === null) return '';
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
