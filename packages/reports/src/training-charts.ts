import type { EChartsOption, LineSeriesOption } from 'echarts';
import { axisLook, drawChart, ink, legendLook, palette, type Chart } from './chart.js';
import { condense, isWorthLog, movingMean, type Point } from './curve.js';
import type { RunReportInput, RunStep } from './run-report-input.js';

type Training = Pick<RunReportInput, 'steps' | 'validations' | 'best'>;

const drawnPointLimit = 1200;
/** From here on single steps are noise: the curves are moving means, the total's steps lie faint below. */
const smoothFrom = 80;

/** Total loss, main head and deep-supervision heads over steps; undefined without a finite loss. */
export function lossChart({ steps, best }: Training): Chart | undefined {
  const total = pointsOf(steps, (step) => step.loss);
  if (total.length === 0) return undefined;
  const isNoisy = total.length >= smoothFrom;
  const curves = [{ name: 'total', points: total }, ...headCurves(steps)];
  const shown = curves.map((curve) => ({
    ...curve,
    points: isNoisy ? movingMean(curve.points) : curve.points,
  }));
  const values = [total, ...shown.map(({ points }) => points)].flat().map(([, value]) => value);
  const extremes = [
    values.reduce((a, b) => Math.min(a, b)),
    values.reduce((a, b) => Math.max(a, b)),
  ] as const;
  const series = shown.map((curve, index) => lossLine(curve.name, curve.points, index));
  const first = series[0];
  if (first !== undefined && best !== null) first.markLine = bestLine(best.step);
  const raw = isNoisy ? [faintLine(total)] : [];
  return drawChart('loss', {
    ...frame(
      steps,
      series.map(({ name }) => String(name)),
    ),
    yAxis: {
      ...axisLook(isWorthLog(values) ? 'loss (log)' : 'loss', 46),
      type: isWorthLog(values) ? 'log' : 'value',
      ...(isWorthLog(values) ? { min: extremes[0] / 1.2, max: extremes[1] * 1.2 } : { min: 0 }),
      axisLabel: {
        color: ink,
        opacity: 0.75,
        showMinLabel: !isWorthLog(values),
        showMaxLabel: !isWorthLog(values),
        formatter: (value: number) => String(Number(value.toPrecision(2))),
      },
    },
    series: [...raw, ...series],
  });
}

/** Validation Dice over steps; undefined before the first validation. */
export function diceChart({ steps, validations, best }: Training): Chart | undefined {
  const points = validations.flatMap(({ step, dice }): Point[] => (dice === null ? [] : [[step, dice]]));
  if (points.length === 0) return undefined;
  const line: LineSeriesOption = {
    ...lossLine('validation Dice', points, 1),
    lineStyle: { width: 2.2 },
    showSymbol: points.length <= 80,
    symbol: 'circle',
    symbolSize: 6,
    ...(best === null ? {} : { markPoint: bestPoint(best) }),
  };
  return drawChart('dice', {
    ...frame([...steps, ...validations], []),
    grid: { left: 62, right: 48, top: 14, bottom: 44 },
    yAxis: { ...axisLook('Dice', 46), type: 'value', min: 0, max: 1, interval: 0.2 },
    series: [line],
  });
}

const headColors = [palette.blue, palette.teal, palette.violet, palette.amber, palette.rose, palette.slate];

function frame(steps: readonly { step: number }[], names: string[]): EChartsOption {
  const at = steps.map(({ step }) => step);
  const [first, last] = [at.reduce((a, b) => Math.min(a, b)), at.reduce((a, b) => Math.max(a, b))];
  return {
    grid: { left: 62, right: 24, top: 34, bottom: 44 },
    legend: { ...legendLook, show: names.length > 1, data: names },
    xAxis: {
      ...axisLook('step', 26),
      type: 'value',
      min: first === last ? first - 1 : Math.min(first, 1) === 1 ? 0 : first,
      max: first === last ? last + 1 : last,
      minInterval: 1,
      splitLine: { show: false },
    },
  };
}

function headCurves(steps: readonly RunStep[]): { name: string; points: Point[] }[] {
  const names = [...new Set(steps.flatMap(({ heads }) => Object.keys(heads)))].sort(byHead);
  return names.map((head) => ({
    name: head === 'main' ? 'main head' : `head ${head}`,
    points: pointsOf(steps, ({ heads }) => heads[head] ?? NaN),
  }));
}

const byHead = (a: string, b: string): number => (a === 'main' ? -1 : b === 'main' ? 1 : a.localeCompare(b));

function pointsOf(steps: readonly RunStep[], value: (step: RunStep) => number): Point[] {
  return steps.map((step): Point => [step.step, value(step)]).filter(([, y]) => Number.isFinite(y));
}

function lossLine(name: string, points: readonly Point[], index: number): LineSeriesOption {
  const color = headColors[index % headColors.length] ?? palette.slate;
  return {
    type: 'line',
    name,
    color,
    data: condense(points, drawnPointLimit),
    showSymbol: points.length <= 12,
    symbol: 'circle',
    symbolSize: 5,
    lineStyle: { width: index === 0 ? 2.4 : 1.4, opacity: index === 0 ? 1 : 0.85 },
    z: index === 0 ? 5 : 3,
  };
}

function faintLine(points: readonly Point[]): LineSeriesOption {
  const data = condense(points, drawnPointLimit);
  return {
    type: 'line',
    name: 'each step',
    color: palette.blue,
    data,
    showSymbol: false,
    lineStyle: { width: 1, opacity: 0.25 },
    z: 1,
  };
}

function bestLine(step: number): NonNullable<LineSeriesOption['markLine']> {
  return {
    silent: true,
    symbol: 'none',
    lineStyle: { color: ink, opacity: 0.4, type: 'dashed' },
    label: {
      formatter: 'best',
      color: ink,
      opacity: 0.7,
      position: 'insideEndTop',
      rotate: 0,
      distance: [4, -14],
    },
    data: [{ xAxis: step }],
  };
}

function bestPoint(best: { step: number; dice: number }): NonNullable<LineSeriesOption['markPoint']> {
  return {
    symbol: 'circle',
    symbolSize: 11,
    itemStyle: { color: palette.amber },
    label: {
      show: true,
      position: 'bottom',
      distance: 8,
      color: ink,
      fontSize: 12,
      formatter: `best ${best.dice.toFixed(3)}`,
    },
    data: [{ name: 'best', coord: [best.step, best.dice] }],
  };
}
