import { pathToFileURL } from 'node:url';
import { writeCheckpoint } from '@lvnet/checkpoints';
import { submitRun } from '@lvnet/coordinator';
import { sha256Hex } from '@lvnet/core';
import {
  networkConfigOf,
  parseExperiment,
  runKeys,
  type RunDocument,
  type Verdict,
} from '@lvnet/experiments';
import { buildNetwork, initialWeights } from '@lvnet/networks';
import { openStore } from '@lvnet/store';
import { namedWeights } from '@lvnet/training';
import { writePhantomDataset } from '@lvnet/volumes';

export interface StoredRun {
  run: string;
  storeUrl: string;
  document: RunDocument;
}

/** Steps that have a checkpoint, the initial weights of seed = step in each. */
const storedSteps = [4, 8] as const;

/**
 * A run in a directory store as training would have left it, validated, its best checkpoint being the first:
 * real documents, real checkpoints, weights that were never trained.
 */
export async function storeRun(o: {
  dataRoot: string;
  storeFolder: string;
  name: string;
}): Promise<StoredRun> {
  await writePhantomDataset({ out: o.dataRoot, cases: 2, shape: [16, 32, 32], seed: 3 });
  const storeUrl = pathToFileURL(o.storeFolder).href;
  const store = await openStore(storeUrl);
  const experiment = parseExperiment(
    JSON.stringify({
      name: o.name,
      data: { root: o.dataRoot, split: { train: 1, validation: 1, test: 0 }, patch: [8, 32, 32] },
      network: { baseWidth: 2, levels: 3, blocksPerStage: 1, expansionRate: 2, kernel: 3 },
      loss: { eta: [0.5, 0.5] },
    }),
  );
  const engine = { kind: 'native', fingerprint: sha256Hex('test') };
  const { document } = await submitRun({ store, registry: undefined, engine, now: () => 0 }, experiment);
  const network = buildNetwork(networkConfigOf(experiment));
  const { windowHu, patch } = experiment.data;
  for (const step of storedSteps) {
    const weights = namedWeights(network, initialWeights(network.config, step));
    const optimizer = weights.map((tensor) => ({ ...tensor, name: `${tensor.name}.exp_avg` }));
    const position = { step, epoch: 1, sampler: { epoch: 1, position: step }, lossHistory: [] };
    await writeCheckpoint(
      store,
      document.run,
      { ...position, weights, optimizer, digest: sha256Hex(String(step)) },
      { network: network.config, data: { windowHu, patch }, createdAt: 'never' },
    );
  }
  const verdict: Verdict = {
    ...{ epoch: 1, step: 4, dice: 0.5 },
    ...{ best: { epoch: 1, step: 4, dice: 0.5 }, stop: false },
  };
  await store.put(runKeys.verdict(document.run, 4), JSON.stringify(verdict));
  await store.close();
  return { run: document.run, storeUrl, document };
}
