import { counted, Failure } from '@lvnet/core';
import {
  caseMetricNames,
  evaluateInThread,
  litsScored,
  summarise,
  type CaseMetricName,
  type CaseMetrics,
  type Summary,
} from '@lvnet/evaluation';
import { readLabelMap, samePlace, type LabelMap } from '@lvnet/volumes';
import { print, say, table } from '../../cluster/print.js';
import { interruptible } from '../interruptible.js';
import { pairMasks, type MaskFiles } from './pair-files.js';

export interface EvaluateFlags {
  reference: string;
  prediction: string;
  litsScorer?: boolean;
  allowMissing?: boolean;
  json?: boolean;
}

type CaseRow = { case: string } & CaseMetrics;

export async function evaluateMasks(flags: EvaluateFlags): Promise<void> {
  const { pairs, missing } = await pairMasks(flags.reference, flags.prediction, {
    allowMissing: flags.allowMissing === true,
  });
  if (missing.length > 0) say(`left out, since there is no prediction: ${missing.join(', ')}`);
  const measured: CaseRow[] = [];
  await interruptible(
    async (signal) => {
      for (const [i, files] of pairs.entries()) {
        if (signal.aborted) return;
        if (pairs.length > 1) say(`case ${files.case} (${String(i + 1)} of ${String(pairs.length)})`);
        measured.push({ case: files.case, ...(await measure(files, signal)) });
      }
    },
    () => `${String(measured.length)} of ${counted(pairs.length, 'case')} measured.`,
  );
  const undefinedCounts = summarise(measured).undefined;
  const cases =
    flags.litsScorer === true ? measured.map((row) => ({ ...row, ...litsScored(row) })) : measured;
  const { mean } = summarise(cases);
  print(flags.json === true, { cases, mean, undefined: undefinedCounts }, () =>
    metricLines(cases, mean, undefinedCounts),
  );
}

async function measure(files: MaskFiles, signal: AbortSignal): Promise<CaseMetrics> {
  const reference = await readLabelMap(files.reference);
  const prediction = await readLabelMap(files.prediction);
  checkGrid(files, reference, prediction);
  const { shape, spacingMm } = reference;
  const pair = { reference: reference.labels, prediction: prediction.labels, shape, spacingMm };
  return evaluateInThread(pair, { signal });
}

/** A tenth of the finest spacing: headers are rounded to float32, and a real shift is far more. */
const placeTolerance = 0.1;

function checkGrid(files: MaskFiles, reference: LabelMap, prediction: LabelMap): void {
  const { shape, affine, spacingMm } = reference;
  if (prediction.shape.join() !== shape.join()) throw otherShape(files, shape, prediction.shape);
  if (samePlace(affine, prediction.affine, shape, placeTolerance * Math.min(...spacingMm))) return;
  say(
    `warning: case ${files.case}: the headers of ${files.reference} and ${files.prediction} place the voxels differently; they were compared voxel by voxel, with the reference's spacing`,
  );
}

function otherShape(files: MaskFiles, expected: readonly number[], found: readonly number[]): Failure {
  return new Failure(
    'VOLUME_SHAPE_MISMATCH',
    { ...files, expected, found },
    {
      message: `${files.prediction} is ${found.join('x')}, its reference ${files.reference} is ${expected.join('x')}.`,
      hint: 'Check that both files belong to the same case.',
    },
  );
}

function metricLines(
  cases: readonly CaseRow[],
  mean: Summary['mean'],
  missing: Summary['undefined'],
): string[] {
  const row = (name: string, metrics: Record<CaseMetricName, number | null>) => [
    name,
    ...caseMetricNames.map((metric) => metrics[metric]?.toFixed(metric.endsWith('Mm') ? 2 : 4) ?? '-'),
  ];
  const rows = [...cases.map((item) => row(item.case, item)), row('mean', mean)];
  const notes = caseMetricNames
    .filter((metric) => missing[metric] > 0)
    .map((metric) => `${metric} in ${String(missing[metric])}`);
  return [
    ...table([['case', ...caseMetricNames], ...rows]),
    ...(notes.length === 0
      ? []
      : [`not defined (an empty mask): ${notes.join(', ')} of ${String(cases.length)} cases`]),
  ];
}
