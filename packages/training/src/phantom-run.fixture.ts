import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openStore, type Store } from '@lvnet/store';
import { hashCase, ensurePrepared, stepsPerEpoch, transformFor, writePhantomDataset } from '@lvnet/volumes';
import type { TrainingCase, TrainingSpec } from './spec.js';
import { tinySpec } from './tiny-run.fixture.js';

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
