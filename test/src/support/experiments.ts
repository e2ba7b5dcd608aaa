import { hashDataset } from '@lvnet/coordinator';
import { parseExperiment, type Experiment, type RunSplit } from '@lvnet/experiments';
import { writePhantomDataset } from '@lvnet/volumes';

/** A tiny LV-Net whose steps take tens of milliseconds. */
export function tinyExperiment(
  root: string,
  over: {
    name?: string;
    epochs?: number;
    shards?: number;
    batch?: number;
    workers?: number;
    everySteps?: number;
    patch?: [number, number, number];
  } = {},
): Experiment {
  return parseExperiment(
    JSON.stringify({
      name: over.name ?? 'test',
      seed: 3,
      data: {
        root,
        split: { train: 1, validation: 0, test: 0 },
        patch: over.patch ?? [16, 32, 32],
        windowHu: [-200, 200],
      },
      network: { name: 'lv-net', baseWidth: 4, levels: 2, blocksPerStage: 1, expansionRate: 2, kernel: 3 },
      loss: { eta: [0.5] },
      optimizer: { name: 'adam', learningRate: 0.002, decayPerEpoch: 0.95, weightDecay: 0.00001 },
      training: { batch: over.batch ?? 4, shards: over.shards ?? 4, epochs: over.epochs ?? 5 },
      workers: { min: 1, max: over.workers ?? 2, engine: 'auto' },
      checkpoint: { everySteps: over.everySteps ?? 4, keep: 1_000 },
    }),
  );
}

/** The first case for everything. */
export async function splitOfOne(
  root: string,
  o: { validate?: boolean; test?: boolean } = {},
): Promise<RunSplit> {
  const cases = (await hashDataset({}, root)).slice(0, 1);
  return {
    train: cases,
    validation: o.validate === true ? cases : [],
    test: o.test === true ? cases : [],
  };
}

/** Four small phantoms in LiTS layout, made once per folder. */
export async function phantoms(root: string): Promise<string> {
  await writePhantomDataset({ out: root, cases: 4, shape: [16, 32, 32], seed: 5 });
  return root;
}
