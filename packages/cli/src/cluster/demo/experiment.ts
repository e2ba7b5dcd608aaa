import { parseExperiment, type Experiment } from '@lvnet/experiments';
import type { CaseFiles } from '@lvnet/volumes';

/** What the demo trains, and the words that belong to it. */
export interface DemoPlan {
  experiment: Experiment;
  notes: string[];
}

export const phantomSet = { cases: 26, shape: [32, 64, 64], seed: 20 } as const;

/** A small LV-Net on phantoms: minutes on two cores. */
export function phantomPlan(root: string, workers: number): DemoPlan {
  const experiment = demoExperiment({
    name: 'demo-phantoms',
    root,
    split: { train: 16, validation: 2, test: 8 },
    patch: [16, 64, 64],
    epochs: 12,
    batch: 4,
    workers,
  });
  return {
    experiment,
    notes: [
      'Trained on phantoms: synthetic bodies, no patient data. The figures say that the machinery works.',
    ],
  };
}

/** Real data: a fair split when there are enough cases, else an over-fit check that says so. */
export function dataPlan(
  root: string,
  cases: readonly CaseFiles[],
  rows: number,
  columns: number,
  workers: number,
): DemoPlan {
  const shrink = Math.max(1, Math.ceil(Math.max(rows, columns) / 256));
  const size = (length: number) => Math.max(32, Math.floor(length / shrink / 16) * 16);
  const few = cases.length < 3;
  const test = Math.max(1, Math.round(cases.length * 0.2));
  const validation = Math.max(1, Math.round(cases.length * 0.1));
  const experiment = demoExperiment({
    name: few ? 'demo-overfit' : 'demo-data',
    root,
    split: few
      ? { train: 1, validation: 0, test: 0 }
      : { train: cases.length - test - validation, validation, test },
    patch: [16, size(rows), size(columns)],
    epochs: few ? 60 : 10,
    batch: 2,
    workers,
  });
  const ids = cases.map((item) => item.id).join(', ');
  return {
    experiment,
    notes: few
      ? [
          `Over-fit check: trained, validated and tested on the same case (${ids}). The Dice says that the network can learn, not how good it is on new scans.`,
        ]
      : [],
  };
}

interface DemoChoices {
  name: string;
  root: string;
  split: { train: number; validation: number; test: number };
  patch: [number, number, number];
  epochs: number;
  batch: number;
  workers: number;
}

function demoExperiment(o: DemoChoices): Experiment {
  return parseExperiment(
    JSON.stringify({
      name: o.name,
      seed: 7,
      data: { root: o.root, split: o.split, blocks: 'all', windowHu: [-200, 200], patch: o.patch },
      network: { name: 'lv-net', baseWidth: 8, levels: 4, blocksPerStage: 1, expansionRate: 2, kernel: 3 },
      loss: { eta: [0.2, 0.4, 0.6] },
      // The demo's epochs are a few steps, so the paper's decay per epoch would end learning early.
      optimizer: { name: 'adam', learningRate: 0.004, decayPerEpoch: 1, weightDecay: 0.00001 },
      training: { batch: o.batch, shards: 2, epochs: o.epochs },
      workers: { min: 1, max: Math.min(2, o.workers), engine: 'auto' },
      checkpoint: { everySteps: 10, keep: 1000 },
    }),
  );
}
