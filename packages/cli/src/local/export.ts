import { resolve } from 'node:path';
import { encodeWeights } from '@lvnet/checkpoints';
import { Failure, sha256Hex, writeFileAtomic } from '@lvnet/core';
import { print } from '../cluster/print.js';
import { readReference } from './predict/checkpoint-reference.js';

export interface ExportFlags {
  out: string;
  format: 'safetensors' | 'onnx';
  store?: string;
  json?: boolean;
}

export async function exportWeights(checkpoint: string, flags: ExportFlags): Promise<void> {
  if (flags.format === 'onnx') throw notYet();
  const { manifest, weights } = await readReference(checkpoint, flags.store);
  const bytes = encodeWeights(weights);
  const file = resolve(flags.out);
  await writeFileAtomic(file, bytes);
  const { run, step } = manifest;
  print(flags.json === true, { file, run, step, tensors: weights.length, sha256: sha256Hex(bytes) }, () => [
    `${file}: weights of step ${String(step)} of run ${run}`,
  ]);
}

function notYet(): Failure {
  const message = 'Export to ONNX comes in a later version.';
  return new Failure('ARGUMENT_INVALID', { format: 'onnx' }, { message, hint: 'Use --format safetensors.' });
}
