import { memoryStore } from '@lvnet/store';
import assert from 'node:assert/strict';
import { hashCase } from './content-hash.js';
import { ensurePrepared } from './ensure-prepared.js';
import { writeNifti } from './nifti/write.js';
import { preparedKey } from './prepared-file.js';
import { preparedName, transformFor } from './prepared.js';
import { temporaryFolder } from './test-data.fixture.js';

describe('ensurePrepared', () => {
  const folder = temporaryFolder();
  const transform = transformFor({ windowHu: [-200, 200], patch: [16, 4, 6] });
  const affine = [-2, 0, 0, 10, 0, 3, 0, -20, 0, 0, 4, 30, 0, 0, 0, 1];
  const files = () => ({ id: '3', volume: folder.path('volume-3.nii'), label: undefined });
  before(async () => {
    const voxels = Int16Array.from({ length: 105 }, (_, i) => i);
    await writeNifti(files().volume, { voxels, shape: [7, 5, 3], affine });
  });

  it('prepares a case once, and again when it is damaged in the store', async () => {
    const store = memoryStore();
    const { contentSha256 } = await hashCase(files());
    const first = await ensurePrepared(store, contentSha256, transform, files);
    assert.equal(first.created, true);
    assert.equal(first.prepared, preparedName(contentSha256, transform));
    assert.deepEqual([first.depth, first.rows, first.columns, first.liver], [3, 4, 6, null]);
    const never = () => assert.fail('it is there already');
    const second = await ensurePrepared(store, contentSha256, transform, never);
    assert.deepEqual(second, { ...first, created: false });
    await store.put(preparedKey(first.prepared), 'damaged');
    assert.deepEqual(await ensurePrepared(store, contentSha256, transform, files), first);
  });

  it('refuses files with another content, and stores nothing', async () => {
    const store = memoryStore();
    const other = 'ab'.repeat(32);
    await assert.rejects(ensurePrepared(store, other, transform, files), { code: 'DATASET_INVALID' });
    assert.equal(await store.head(preparedKey(preparedName(other, transform))), undefined);
  });
});
