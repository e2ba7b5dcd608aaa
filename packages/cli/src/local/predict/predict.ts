import { mkdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Manifest } from '@lvnet/checkpoints';
import { counted, Failure } from '@lvnet/core';
import { openEngine, type Engine, type EngineKind } from '@lvnet/engine';
import { modelOf, predictCase, type Model } from '@lvnet/training';
import {
  prepareCaseInThread,
  restoreForeground,
  restoreMask,
  transformFor,
  writeNifti,
  type PreparedCase,
} from '@lvnet/volumes';
import { print, say, table } from '../../cluster/print.js';
import { interruptible } from '../interruptible.js';
import { readReference } from './checkpoint-reference.js';
import { findScans, type Scan } from './scans.js';

export interface PredictFlags {
  checkpoint: string;
  input: string;
  out: string;
  probabilities?: boolean;
  engine: EngineKind | 'auto';
  threads?: number;
  store?: string;
  json?: boolean;
}

interface Predicted {
  case: string;
  input: string;
  output: string;
  probabilities: string | null;
  liverMl: number;
  seconds: number;
  warnings: readonly string[];
}

export async function predictScans(flags: PredictFlags): Promise<void> {
  const scans = await findScans(flags.input, flags.out);
  const { manifest, weights } = await readReference(flags.checkpoint, flags.store);
  const data = dataOf(manifest);
  const model = modelOf(manifest.network, weights);
  const { engine: kind, threads } = flags;
  const engine = await openEngine(threads === undefined ? { kind } : { kind, threads });
  const folder = resolve(flags.out);
  await mkdir(folder, { recursive: true });
  const cases: Predicted[] = [];
  const predictor = { engine, model, data };
  const withProbabilities = flags.probabilities === true;
  await interruptible(
    async (signal) => {
      for (const [i, scan] of scans.entries()) {
        if (signal.aborted) return;
        say(`${scan.name} (${String(i + 1)} of ${String(scans.length)})`);
        cases.push(await predictScan(scan, predictor, withProbabilities, signal));
      }
    },
    () => `${String(cases.length)} of ${counted(scans.length, 'scan')} predicted; their label maps stay.`,
  );
  const { run, step } = manifest;
  print(flags.json === true, { checkpoint: { run, step }, engine: engine.kind, cases }, () => [
    `predicted with step ${String(step)} of run ${run}, ${engine.kind} engine, into ${folder}`,
    ...table([
      ['scan', 'label map', 'liver ml', 'seconds'],
      ...cases.map((item) => [
        item.case,
        basename(item.output),
        item.liverMl.toFixed(0),
        item.seconds.toFixed(1),
      ]),
    ]),
  ]);
}

interface Predictor {
  engine: Engine;
  model: Model;
  data: NonNullable<Manifest['data']>;
}

async function predictScan(
  scan: Scan,
  { engine, model, data }: Predictor,
  withProbabilities: boolean,
  signal: AbortSignal,
): Promise<Predicted> {
  const startMs = performance.now();
  const files = { id: scan.name, volume: scan.path, label: undefined };
  const prepared = await prepareCaseInThread(files, transformFor(data), { signal });
  for (const warning of prepared.warnings) say(`${scan.name}: warning: ${warning}`);
  const foreground = await predictCase(engine, model, prepared, data.patch[0], signal);
  const mask = restoreMask(prepared, foreground);
  const { shape, affine } = prepared.source;
  await writeNifti(scan.output, { voxels: mask, shape, affine, datatype: 'uint8', description: 'lvnet' });
  const probabilities = withProbabilities ? probabilityFile(scan) : null;
  if (probabilities !== null) {
    const voxels = restoreForeground(prepared, foreground);
    await writeNifti(probabilities, { voxels, shape, affine, datatype: 'float32', description: 'lvnet' });
  }
  return {
    case: scan.name,
    input: scan.path,
    output: scan.output,
    probabilities,
    liverMl: liverMlOf(mask, prepared),
    seconds: (performance.now() - startMs) / 1000,
    warnings: prepared.warnings,
  };
}

/** In a folder of their own, so that the label maps beside them can be evaluated as a folder. */
const probabilityFile = ({ output }: Scan): string =>
  join(dirname(output), 'probabilities', basename(output));

function liverMlOf(mask: Uint8Array, { source }: PreparedCase): number {
  let count = 0;
  for (const value of mask) count += value;
  const [x, y, z] = source.spacingMm;
  return (count * x * y * z) / 1000;
}

function dataOf({ data, run, step }: Manifest): NonNullable<Manifest['data']> {
  if (data !== null) return data;
  throw new Failure(
    'CHECKPOINT_CORRUPT',
    { run, step },
    {
      message: `The manifest of step ${String(step)} of run ${run} does not say how cases were prepared (data).`,
      hint: 'Write the checkpoint anew with this version of lvnet.',
    },
  );
}
