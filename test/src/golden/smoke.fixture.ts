import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { weightsSha256 } from '@lvnet/checkpoints';
import { openEngine, type EngineKind } from '@lvnet/engine';
import { buildNetwork } from '@lvnet/networks';
import { openStore, type Store } from '@lvnet/store';
import {
  engineFingerprint,
  namedWeights,
  replaySteps,
  type TrainingCase,
  type TrainingSpec,
} from '@lvnet/training';
import { ensurePrepared, hashCase, stepsPerEpoch, transformFor } from '@lvnet/volumes';
import { phantoms, tinyExperiment } from '../support/experiments.js';

/** What a process of its own finds and prints: its instruction set is chosen once, when the addon loads. */
export interface Smoke {
  instructionSet: string;
  fingerprint: string;
  /** SHA-256 of the initial weights. */
  initial: string;
  /** Of the prepared cases. */
  cases: string[];
  losses: readonly number[];
  weights: string;
  digest: string;
}

const steps = 10;

/** Ten steps of a small network on three phantoms, in batches of three that leave a short last one. */
async function smoke(kind: EngineKind, folder: string): Promise<Smoke> {
  const experiment = tinyExperiment(await phantoms(join(folder, 'data')), {
    batch: 3,
    shards: 3,
    patch: [4, 16, 32],
  });
  const store = await openStore(pathToFileURL(join(folder, 'store')).href);
  const cases = await prepare(store, join(folder, 'data'), transformFor(experiment.data));
  const sampled = cases.map(({ case: id, depth, liver }) => ({ id, depth, liver }));
  const { seed, network: config, loss, optimizer, data } = experiment;
  const { batch, shards } = experiment.training;
  const perEpoch = stepsPerEpoch({ cases: sampled, slices: data.patch[0], blocks: data.blocks, batch });
  const spec: TrainingSpec = {
    ...{ run: 'smoke', start: null, seed, network: config, loss, optimizer, batch, shards, cases },
    ...{
      onBadSample: 'stop' as const,
      slices: data.patch[0],
      blocks: data.blocks,
      stepsPerEpoch: perEpoch,
      stepsTotal: steps,
    },
  };
  const engine = await openEngine({ kind });
  const network = buildNetwork(config);
  const shaOf = (state: { weights: Parameters<typeof namedWeights>[1] }) =>
    weightsSha256(namedWeights(network, state.weights));
  const at = (toStep: number) => replaySteps({ spec, wire: 'float32', engine, store, fromStep: 0, toStep });
  const [first, last] = [await at(0), await at(steps)];
  return {
    instructionSet: engine.instructionSet,
    fingerprint: engineFingerprint(engine),
    initial: shaOf(first),
    cases: cases.map(({ sha256 }) => sha256),
    losses: last.lossHistory,
    weights: shaOf(last),
    digest: last.digest,
  };
}

async function prepare(
  store: Store,
  root: string,
  transform: ReturnType<typeof transformFor>,
): Promise<TrainingCase[]> {
  const cases: TrainingCase[] = [];
  for (const id of ['0', '1', '2']) {
    const files = {
      id,
      volume: join(root, `volume-${id}.nii.gz`),
      label: join(root, `segmentation-${id}.nii.gz`),
    };
    const { contentSha256 } = await hashCase(files);
    const { prepared, sha256, depth, liver } = await ensurePrepared(
      store,
      contentSha256,
      transform,
      () => files,
    );
    cases.push({ case: id, prepared, sha256, depth, liver });
  }
  return cases;
}

const folder = await mkdtemp(join(tmpdir(), 'lvnet-smoke-'));
try {
  process.stdout.write(JSON.stringify(await smoke(process.argv[2] as EngineKind, folder)));
} finally {
  await rm(folder, { recursive: true, force: true });
}
