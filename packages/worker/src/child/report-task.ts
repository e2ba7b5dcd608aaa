import { readSteps } from '@lvnet/checkpoints';
import {
  bestWindowBaseline,
  meanMaskBaseline,
  smoothedWindowBaseline,
  type PreparedGrid,
} from '@lvnet/evaluation';
import {
  readJson,
  readRunEvents,
  runKeys,
  type CaseResult,
  type FinishedDocument,
  type PreparedRecord,
  type TrainingPlan,
  type Verdict,
} from '@lvnet/experiments';
import type { ValidateJob } from '@lvnet/queue';
import type { RunOverlay, RunReportInput } from '@lvnet/reports';
import { decodeSafetensors, float32Of } from '@lvnet/safetensors';
import type { Store } from '@lvnet/store';
import { loadPrepared } from '@lvnet/volumes';
import { readPlan, readRunDocument, type TaskContext } from './context.js';

type ReportJob = Extract<ValidateJob, { subject: 'report' }>;

/** Gathers what the store holds of a finished run and writes its report, pictures and table. */
export async function reportTask(job: ReportJob, { store }: TaskContext): Promise<void> {
  if ((await store.head(runKeys.report(job.run))) !== undefined) return;
  const document = await readRunDocument(store, job.run);
  const plan = await readPlan(store, job.run);
  const finished = await readJson<FinishedDocument>(store, runKeys.finished(job.run));
  const verdicts = await readFolder<Verdict>(store, runKeys.validationFolder(job.run), isVerdict);
  const results = await readFolder<CaseResult>(store, runKeys.validationFolder(job.run), isResult);
  verdicts.sort((a, b) => a.step - b.step);
  const best = verdicts.at(-1)?.best ?? null;
  const step = best?.step ?? finished.step;
  const { baselines, note } = await measureBaselines(store, plan);
  const input: RunReportInput = {
    run: job.run,
    name: document.name,
    experiment: document.experiment,
    engine: document.engine,
    notes: [...document.notes, ...(note === undefined ? [] : [note])],
    steps: await readSteps(store, job.run),
    validations: verdicts.map(({ epoch, step: at, dice }) => ({ epoch, step: at, dice })),
    best,
    cases: results
      .filter((result) => result.step === step)
      .sort((a, b) => a.case.localeCompare(b.case, 'en', { numeric: true }))
      .map(({ case: id, split, metrics, volumeMl }) => ({ case: id, split, ...metrics, volumeMl })),
    baselines,
    events: await readRunEvents(store, job.run),
    overlays: await readOverlays(store, job.run, plan.cases.test),
    finalDigest: finished.digest,
  };
  const { writeRunReport } = await import('@lvnet/reports'); // half a second, which no other task needs
  await writeRunReport(store, job.run, input);
}

/** More voxels than this, and choosing windows by exhaustive search takes longer than it is worth. */
const baselineVoxelLimit = 40_000_000;

async function measureBaselines(
  store: Store,
  plan: TrainingPlan,
): Promise<{ baselines: { name: string; dice: number }[]; note?: string }> {
  const { train, test } = plan.cases;
  const voxels = [...train, ...test].reduce((sum, item) => sum + item.depth * item.rows * item.columns, 0);
  if (test.length === 0) return { baselines: [] };
  if (voxels > baselineVoxelLimit) {
    return { baselines: [], note: 'The simple baselines were left out: the data set is large.' };
  }
  const [trainGrids, testGrids] = [await gridsOf(store, train), await gridsOf(store, test)];
  const trainedOn = new Set(train.map((item) => item.prepared));
  const baselines = [
    { name: 'best HU window', dice: bestWindowBaseline(trainGrids, testGrids) },
    { name: 'smoothed window, largest component', dice: smoothedWindowBaseline(trainGrids, testGrids) },
  ];
  // Of a case that was trained on, the mean of the training masks knows the answer.
  if (test.some((item) => trainedOn.has(item.prepared))) return { baselines };
  const meanMask = { name: 'mean of the training masks', dice: meanMaskBaseline(trainGrids, testGrids) };
  return { baselines: [...baselines, meanMask] };
}

async function gridsOf(store: Store, records: readonly PreparedRecord[]): Promise<PreparedGrid[]> {
  const grids: PreparedGrid[] = [];
  for (const record of records) {
    const { image, label, depth, rows, columns } = await loadPrepared(store, record.prepared, record.sha256);
    grids.push({ image, label, shape: [depth, rows, columns] });
  }
  return grids;
}

const overlayCount = 6;

async function readOverlays(
  store: Store,
  run: string,
  cases: readonly PreparedRecord[],
): Promise<RunOverlay[]> {
  const overlays: RunOverlay[] = [];
  for (const item of cases.slice(0, overlayCount)) {
    const { tensors, metadata } = decodeSafetensors(await store.get(runKeys.overlay(run, item.case)));
    const [image, truth, prediction] = ['image', 'truth', 'prediction'].map((name) => tensors.get(name));
    if (image === undefined || truth === undefined || prediction === undefined) continue;
    overlays.push({
      case: item.case,
      title: `case ${item.case}, slice ${String(Number(metadata['slice']) + 1)} of ${String(item.depth)}`,
      rows: item.rows,
      columns: item.columns,
      pixelAspect: 1,
      image: float32Of(image),
      truth: Uint8Array.from(truth.data as Uint8Array),
      prediction: Uint8Array.from(prediction.data as Uint8Array),
    });
  }
  return overlays;
}

async function readFolder<T>(store: Store, prefix: string, wanted: (key: string) => boolean): Promise<T[]> {
  const values: T[] = [];
  for await (const { key } of store.list(prefix)) if (wanted(key)) values.push(await readJson<T>(store, key));
  return values;
}

const isVerdict = (key: string) => key.endsWith('/verdict.json');
const isResult = (key: string) => key.endsWith('.json') && !isVerdict(key);
