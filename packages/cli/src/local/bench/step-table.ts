import type { Share, StepSummary } from './step-summary.js';

/** A step for people: by operation, then by stage. */
export function summaryLines({ step, operations, stages, betweenSeconds }: StepSummary): string[] {
  const between = blank('between operations', betweenSeconds, step);
  return [
    ...aligned([
      ['operation', 'calls', 'ms', 'of step', 'GFLOP/s', 'of peak', 'MB', 'GB/s'],
      ...[...operations, between, step].map(rowOf),
    ]),
    '',
    ...aligned([
      ['stage', 'forward ms', 'backward ms', 'of step', 'GFLOP/s', 'of peak', 'MB'],
      ...stages.map((stage) => {
        const [name, , , ...rates] = rowOf(stage);
        return [name, inMs(stage.forwardSeconds), inMs(stage.backwardSeconds), ...rates.slice(0, 4)];
      }),
    ]),
  ];
}

const blank = (name: string, seconds: number, step: Share): Share => ({
  ...{ name, calls: 0, seconds, timeShare: seconds / step.seconds },
  ...{ gflops: null, peakShare: null, bytes: 0 },
});

const inMs = (seconds: number): string => (seconds === 0 ? '-' : (1000 * seconds).toFixed(2));
const inPercent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function rowOf({ name, calls, seconds, timeShare, gflops, peakShare, bytes }: Share) {
  return [
    name,
    calls === 0 ? '-' : String(calls),
    inMs(seconds),
    inPercent(timeShare),
    gflops === null ? '-' : gflops.toFixed(1),
    peakShare === null ? '-' : inPercent(peakShare),
    bytes === 0 ? '-' : (bytes / 1e6).toFixed(1),
    bytes === 0 ? '-' : (bytes / seconds / 1e9).toFixed(1),
  ] as const;
}

/** Names to the left, numbers to the right; a rule below the heading. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
  );
  const [heading = '', ...rest] = lines;
  return [heading, '-'.repeat(heading.length), ...rest];
}
