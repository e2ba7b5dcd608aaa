import { resolve } from 'node:path';
import { Failure, writeFileAtomic } from '@lvnet/core';
import { openEngine, type EngineKind } from '@lvnet/engine';
import { buildNetwork, traceNetwork, type Network, type NetworkTrace, type Weights } from '@lvnet/networks';
import { encodeSafetensors, float32Of, type NamedTensor } from '@lvnet/safetensors';
import { givenWeights } from '@lvnet/training';
import { print } from '../../cluster/print.js';
import { readTensorFile, tensorOf } from '../tensor-file.js';
import { configureTraining } from './configure.js';

/** The highest label of a scan. */
const tumour = 2;

export interface TraceFlags {
  weights: string;
  batch: string;
  out: string;
  engine: EngineKind | 'auto';
  threads?: number;
  set: string[];
  json?: boolean;
}

export async function traceBatch(name: string, flags: TraceFlags): Promise<void> {
  const { network: config, loss } = configureTraining(name, flags.set);
  const network = buildNetwork(config);
  const weights = await readWeightsFile(network, flags.weights);
  const { image, label, shape } = await readBatch(flags.batch, config.classes);
  const { engine: kind, threads } = flags;
  const engine = await openEngine(threads === undefined ? { kind } : { kind, threads });
  const trace = traceNetwork(engine, network, weights, image, label, { shape, ...loss });
  const file = resolve(flags.out);
  const tensors = tensorsOf(trace);
  await writeFileAtomic(file, encodeSafetensors(tensors));
  const losses = { total: trace.losses.total, ...byName(trace) };
  print(flags.json === true, { file, engine: engine.kind, losses, tensors: tensors.length }, () => [
    `${file}: ${String(tensors.length)} tensors, computed by the ${engine.kind} engine`,
    ...[{ name: 'total', value: trace.losses.total }, ...trace.losses.heads].map(
      (head) => `  loss ${head.name.padEnd(6)} ${head.value.toFixed(6)}`,
    ),
  ]);
}

async function readWeightsFile(network: Network, path: string): Promise<Weights> {
  return givenWeights(network, [...(await readTensorFile(path)).values()], path);
}

interface Batch {
  image: Float32Array;
  label: Int32Array;
  /** [samples, slices, rows, columns] */
  shape: [number, number, number, number];
}

async function readBatch(path: string, classes: number): Promise<Batch> {
  const tensors = await readTensorFile(path);
  const image = tensorOf(tensors, path, { name: 'image', dtype: 'F32', axes: ['N', '1', 'D', 'H', 'W'] });
  const label = tensorOf(tensors, path, { name: 'label', dtype: 'I32', axes: ['N', 'D', 'H', 'W'] });
  const [n = 0, channels = 0, d = 0, h = 0, w = 0] = image.shape;
  if (channels !== 1 || n === 0 || label.shape.join() !== [n, d, h, w].join()) {
    const shapes = `image is [${image.shape.join(', ')}], label [${label.shape.join(', ')}]`;
    const hint = 'They must be [N, 1, D, H, W] and [N, D, H, W] with the same sizes.';
    throw new Failure('SHAPE_MISMATCH', { path }, { message: `${path}: ${shapes}.`, hint });
  }
  const [voxels, labels] = [float32Of(image), label.data as Int32Array];
  checkVoxels(path, voxels);
  checkLabels(path, labels, classes);
  return { image: voxels, label: labels, shape: [n, d, h, w] };
}

function checkVoxels(path: string, voxels: Float32Array): void {
  const place = voxels.findIndex((value) => !Number.isFinite(value));
  if (place < 0) return;
  const message = `${path}: image holds ${String(voxels[place])} at position ${String(place)}.`;
  throw new Failure('SHAPE_MISMATCH', { path, place }, { message, hint: 'Every voxel must be finite.' });
}

/** Tumour counts as liver in a network of two classes, as in training. */
function checkLabels(path: string, labels: Int32Array, classes: number): void {
  const limit = Math.max(classes, tumour + 1);
  const wrong = labels.find((value) => value < 0 || value >= limit);
  if (wrong === undefined) return;
  const message = `${path}: label holds ${String(wrong)}, the network has ${String(classes)} classes.`;
  const merged = limit === classes ? '' : `, and ${String(tumour)} counts as 1`;
  const hint = `Labels are 0 to ${String(classes - 1)}${merged}.`;
  throw new Failure('SHAPE_MISMATCH', { path, value: wrong, classes }, { message, hint });
}

const byName = ({ losses }: NetworkTrace): Record<string, number> =>
  Object.fromEntries(losses.heads.map((head) => [head.name, head.value]));

function tensorsOf({ logits, losses, gradients, statistics }: NetworkTrace): NamedTensor[] {
  const tensor = (name: string, shape: readonly number[], data: Float32Array): NamedTensor => ({
    ...{ name, dtype: 'F32', shape, data },
  });
  const scalar = (name: string, value: number) => tensor(name, [], Float32Array.of(value));
  return [
    ...logits.map((head) => tensor(`logits.${head.name}`, head.shape, head.values)),
    scalar('loss', losses.total),
    ...losses.heads.map((head) => scalar(`loss.${head.name}`, head.value)),
    ...gradients.map(({ name, shape, values }) => tensor(`grad.${name}`, shape, values)),
    ...statistics.flatMap(({ layer, mean, variance }) => [
      tensor(`stats.${layer}.mean`, [mean.length], mean),
      tensor(`stats.${layer}.var`, [variance.length], variance),
    ]),
  ];
}
