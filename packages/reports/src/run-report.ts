import { Failure } from '@lvnet/core';
import type { Store } from '@lvnet/store';
import { chartPicture } from './chart.js';
import { summariseSplits, type SplitSummary } from './case-statistics.js';
import { casesCsv } from './csv.js';
import { fileNameOf } from './format.js';
import { overlayPicture } from './overlay-picture.js';
import { runPage } from './run-page.js';
import type { RunOverlay, RunReportInput } from './run-report-input.js';
import { diceChart, lossChart } from './training-charts.js';

/** `report.json`: everything the page shows, as data; a metric that is not defined is null. */
export interface RunReport extends Omit<RunReportInput, 'overlays'> {
  version: 1;
  summaries: readonly Omit<SplitSummary, 'cases'>[];
  /** Files beside the report. */
  pictures: readonly { file: string; title: string; case: string | null }[];
}

/**
 * Writes `runs/<run>/report/`: loss.png, dice.png and one picture per overlay, cases.csv, report.html and,
 * last of all, report.json, whose presence says that the report is complete; one that is there stays. The same input writes the same bytes.
 *
 * @throws Failure('SHAPE_MISMATCH') for an overlay whose parts differ in size; the store's failures
 */
export async function writeRunReport(store: Store, run: string, input: RunReportInput): Promise<RunReport> {
  const folder = `runs/${run}/report`;
  const summaries = summariseSplits(input.cases);
  const [loss, dice] = [lossChart(input), diceChart(input)];
  const slices = await drawSlices(input.overlays);
  const charts = [loss, dice].filter((chart) => chart !== undefined);
  for (const chart of charts) await store.put(`${folder}/${chart.name}.png`, await chartPicture(chart));
  for (const { file, png } of slices) await store.put(`${folder}/${file}`, png);
  await store.put(`${folder}/cases.csv`, casesCsv(input.cases));
  await store.put(`${folder}/report.html`, runPage(input, { summaries, loss, dice, pictures: slices }));
  const report: RunReport = {
    version: 1,
    ...withoutOverlays(input),
    summaries: summaries.map(({ split, metrics, worst }) => ({ split, metrics, worst })),
    pictures: [
      ...charts.map(({ name }) => ({ file: `${name}.png`, title: name, case: null })),
      ...slices.map(({ file, title, case: id }) => ({ file, title, case: id })),
    ],
  };
  await putOnce(store, `${folder}/report.json`, `${JSON.stringify(report, null, 1)}\n`);
  return report;
}

/** A report is there once: where two workers write it at the same time, the first one's stays. */
async function putOnce(store: Store, key: string, text: string): Promise<void> {
  try {
    await store.put(key, text, { ifAbsent: true });
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'STORE_CONFLICT')) throw error;
  }
}

function withoutOverlays(input: RunReportInput): Omit<RunReportInput, 'overlays'> {
  const facts: Partial<RunReportInput> & Omit<RunReportInput, 'overlays'> = { ...input };
  delete facts.overlays;
  return facts;
}

interface Slice {
  file: string;
  title: string;
  case: string;
  png: Uint8Array;
}

async function drawSlices(overlays: readonly RunOverlay[]): Promise<Slice[]> {
  const slices: Slice[] = [];
  for (const [index, overlay] of overlays.entries()) {
    const file = `slice-${String(index + 1).padStart(2, '0')}-${fileNameOf(overlay.case)}.png`;
    slices.push({ file, title: overlay.title, case: overlay.case, png: await overlayPicture(overlay) });
  }
  return slices;
}
