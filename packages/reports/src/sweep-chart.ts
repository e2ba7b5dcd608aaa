import { axisLook, drawChart, ink, palette, type Chart } from './chart.js';
import {
  sortTrials,
  sweepAxes,
  valueText,
  type Axis,
  type SweepReportInput,
  type SweepTrial,
} from './sweep-trials.js';

/** A heat map over two searched paths, else bars; undefined when no trial has an objective. */
export function sweepChart(input: SweepReportInput): Chart | undefined {
  const trials = input.trials.filter(({ objective }) => objective !== null);
  if (trials.length === 0) return undefined;
  const axes = sweepAxes(trials).filter(({ values }) => values.length > 1);
  const [first, second] = axes;
  if (first !== undefined && second !== undefined && axes.length === 2) {
    return heatMap(input, trials, first, second);
  }
  return barChart(input, axes);
}

function heatMap(input: SweepReportInput, trials: readonly SweepTrial[], x: Axis, y: Axis): Chart {
  const cells = bestPerCell(input, trials, x, y);
  const values = cells.map(([, , value]) => value);
  const category = (axis: Axis, gap: number) => ({
    ...axisLook(axis.path, gap),
    type: 'category' as const,
    data: [...axis.values],
    splitLine: { show: false },
  });
  const left = 40 + 8 * Math.max(...y.values.map((value) => value.length));
  const range = { min: Math.min(...values), max: Math.max(...values) };
  return drawChart(
    'objective',
    {
      grid: { left, right: 24, top: 16, bottom: 48 },
      xAxis: category(x, 28),
      yAxis: category(y, left - 22),
      visualMap: { show: false, ...range, inRange: { color: ['#d9e4f7', '#7ea3e2', '#2c5cb8'] } },
      series: [
        {
          type: 'heatmap',
          data: cells.map((cell) => ({
            value: cell,
            label: { color: isDark(cell[2], range) ? '#ffffff' : '#1b2430' },
          })),
          label: {
            show: true,
            fontSize: 14,
            formatter: ({ value }) => (value as number[])[2]?.toFixed(3) ?? '',
          },
        },
      ],
    },
    920,
    Math.min(640, 110 + 64 * y.values.length),
  );
}

type Cell = [x: number, y: number, objective: number];

const isDark = (value: number, { min, max }: { min: number; max: number }): boolean =>
  max === min || (value - min) / (max - min) > 0.45;

function bestPerCell(input: SweepReportInput, trials: readonly SweepTrial[], x: Axis, y: Axis): Cell[] {
  const cells = new Map<string, Cell>();
  for (const trial of sortTrials({ trials, objective: input.objective })) {
    const at = [x, y].map((axis) => axis.values.indexOf(valueText(trial.values[axis.path])));
    const [column = -1, row = -1] = at;
    const key = at.join();
    if (column < 0 || row < 0 || trial.objective === null || cells.has(key)) continue;
    cells.set(key, [column, row, trial.objective]);
  }
  return [...cells.values()];
}

const barLimit = 24;

/** One searched path: a bar per trial in the order of its values. Several: the best trials, best first. */
function barChart(input: SweepReportInput, axes: readonly Axis[]): Chart {
  const ranked = sortTrials(input)
    .filter(({ objective }) => objective !== null)
    .slice(0, barLimit);
  const [only] = axes;
  const place = (trial: SweepTrial) => only?.values.indexOf(valueText(trial.values[only.path])) ?? 0;
  const trials = axes.length === 1 ? ranked.sort((a, b) => place(a) - place(b)) : ranked;
  const label = (trial: SweepTrial) =>
    axes.length === 0
      ? trial.run.slice(0, 8)
      : axes.map(({ path }) => valueText(trial.values[path])).join('\n');
  return drawChart('objective', {
    grid: { left: 62, right: 24, top: 24, bottom: 48 + 15 * Math.max(0, axes.length - 1) },
    xAxis: {
      ...axisLook(axes.map(({ path }) => path).join(' / ') || 'run', 26 + 15 * Math.max(0, axes.length - 1)),
      type: 'category',
      data: trials.map(label),
      splitLine: { show: false },
    },
    yAxis: { ...axisLook(input.objective.metric, 46), type: 'value', min: 0 },
    series: [
      {
        type: 'bar',
        barMaxWidth: 56,
        data: trials.map((trial) => ({
          value: trial.objective ?? 0,
          itemStyle: {
            color: trial.run === input.best?.run ? palette.blue : palette.slate,
            borderRadius: [4, 4, 0, 0],
          },
        })),
        label: {
          show: trials.length <= 12,
          position: 'top',
          color: ink,
          fontSize: 12,
          formatter: ({ value }) => Number(value).toFixed(3),
        },
      },
    ],
  });
}
