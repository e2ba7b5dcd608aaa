import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { writeCheckpoint, writeSteps } from '@lvnet/checkpoints';
import type { Engine } from '@lvnet/engine';
import { buildNetwork } from '@lvnet/networks';
import { openStore, type Store } from '@lvnet/store';
import { hashCase, ensurePrepared, stepsPerEpoch, transformFor, writePhantomDataset } from '@lvnet/volumes';
import { aloneReducer } from './alone.js';
import { createCaseCache } from './case-cache.js';
import { createStepSampler } from './sampling.js';
import type { TrainingCase, TrainingSpec } from './spec.js';
import { initialState, toCheckpoint, type TrainingState } from './state.js';
import { createStepLog } from './step-log.js';
import { createStepper } from './stepper.js';
import { tinySpec } from './tiny-run.fixture.js';
import { vectorLayout } from './vector-layout.js';

export interface PhantomRun extends AsyncDisposable {
  folder: string;
  store: Store;
  spec: TrainingSpec;
}

/** Two phantom patients, prepared in a real directory store, and a tiny run on them. */
export async function preparePhantomRun(): Promise<PhantomRun> {
  const folder = await mkdtemp(join(tmpdir(), 'lvnet-training-'));
  const store = await openStore(pathToFileURL(join(folder, 'store')).href);
  const files = await writePhantomDataset({
    out: join(folder, 'data'),
    cases: 2,
    shape: [14, 32, 32],
    seed: 11,
  });
  const transform = transformFor({ windowHu: [-200, 200], patch: [4, 16, 16] });
  const cases: TrainingCase[] = [];
  for (const item of files) {
    const { contentSha256 } = await hashCase(item);
    const { prepared, sha256, depth, liver } = await ensurePrepared(
      store,
      contentSha256,
      transform,
      () => item,
    );
    cases.push({ case: item.id, prepared, sha256, depth, liver });
  }
  const sampled = cases.map(({ case: id, depth, liver }) => ({ id, depth, liver }));
  const steps = stepsPerEpoch({ cases: sampled, slices: 4, blocks: 'all', batch: 3 });
  const spec = tinySpec({ cases, batch: 3, shards: 3, stepsPerEpoch: steps, stepsTotal: 3 * steps });
  return {
    folder,
    store,
    spec,
    async [Symbol.asyncDispose]() {
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Trains as a member does, shards in some order, writing step log and checkpoint after the given steps.
 *
 * @param o.from the state to go on from; its arrays are used up
 */
export async function trainAlone(
  { spec, store }: Pick<PhantomRun, 'spec' | 'store'>,
  engine: Engine,
  o: { toStep: number; checkpoints: readonly number[]; from?: TrainingState },
): Promise<TrainingState> {
  const network = buildNetwork(spec.network);
  const layout = vectorLayout(
    network.gradientLength,
    network.statisticsLength,
    spec.shards,
    network.headNames,
  );
  const [sampler, cases, log] = [
    createStepSampler(spec),
    createCaseCache(store, spec.cases),
    createStepLog(),
  ];
  const stepper = createStepper({ spec, engine, network, layout, sampler, cases });
  const { length, gradientLength: roundedLength } = layout;
  const order = [...Array(spec.shards).keys()].reverse();
  const reducer = aloneReducer(spec.shards, length, { wire: 'float32', roundedLength, order });
  let state = o.from ?? initialState(network, spec.seed);
  while (state.step < o.toStep) {
    const outcome = await stepper.step(state, reducer);
    state = outcome.state;
    log.add(outcome.record);
    if (!o.checkpoints.includes(state.step)) continue;
    await writeSteps(store, spec.run, log.upTo(state.step));
    await writeCheckpoint(store, spec.run, toCheckpoint(network, state, spec.stepsPerEpoch));
    log.drop((step) => step <= state.step);
  }
  return state;
}
