import { sha256Hex } from '@lvnet/core';
import assert from 'node:assert/strict';
import { discoverCases } from '../case-files.js';
import { checkDataset } from '../check-dataset.js';
import { bytesOf } from '../describe.js';
import { readNifti } from '../nifti/read.js';
import { temporaryFolder } from '../test-data.fixture.js';
import { makePhantom, writePhantomDataset } from './phantom.js';

const shape = [32, 64, 64] as const;
const count = 26;

describe('makePhantom', () => {
  it('gives these bytes on every machine', () => {
    const { hu, label, affine, orientation, spacingMm } = makePhantom(20, 3, [9, 16, 12]);
    assert.equal(
      sha256Hex(bytesOf(hu), bytesOf(label)),
      '521ee804a803cb90c8dec42311dcd49847318e95d7bbed42bdc12efd896c32ac',
    );
    assert.deepEqual(
      { affine, orientation, spacingMm },
      {
        affine: [-33.5, 0, 0, 184.25, 0, 33.5, 0, -251.25, 0, 0, 4.0625, -16.25, 0, 0, 0, 1],
        orientation: 'LAS',
        spacingMm: [33.5, 33.5, 4.0625],
      },
    );
  });

  it('differs between cases and seeds', () => {
    const hashes = [
      makePhantom(1, 0, [8, 16, 16]),
      makePhantom(1, 1, [8, 16, 16]),
      makePhantom(2, 0, [8, 16, 16]),
    ].map(({ hu }) => sha256Hex(bytesOf(hu)));
    assert.equal(new Set(hashes).size, 3);
  });

  it('has liver in every case, lesions in some, mixed orientations, slices of 1 to 5 mm, values of CT', () => {
    const phantoms = Array.from({ length: count }, (_, i) => makePhantom(20, i, shape));
    const share = phantoms.map(
      ({ label }) => label.reduce((sum, value) => sum + Math.min(value, 1), 0) / label.length,
    );
    assert.ok(Math.min(...share) > 0.03 && Math.max(...share) < 0.2, String(share));
    const withLesion = phantoms.filter(({ label }) => label.includes(2)).length;
    assert.ok(withLesion > count / 4 && withLesion < count);
    assert.deepEqual([...new Set(phantoms.map(({ orientation }) => orientation))].sort(), [
      'LAS',
      'LPS',
      'RAS',
    ]);
    const thickness = phantoms.map(({ spacingMm }) => spacingMm[2]);
    assert.ok(Math.min(...thickness) >= 1 && Math.max(...thickness) <= 5 && new Set(thickness).size > 10);
    for (const { hu } of phantoms) assert.ok(hu.every((value) => value >= -1024 && value <= 1000));
  });
});

describe('writePhantomDataset', () => {
  const folder = temporaryFolder();
  it('writes a sound LiTS folder of just these phantoms', async () => {
    const out = folder.path('phantoms');
    const files = await writePhantomDataset({ out, cases: 3, shape: [16, 32, 32], seed: 4 });
    assert.deepEqual(
      (await discoverCases(out)).map(({ id, volume, label }) => ({ id, volume, label })),
      files,
    );
    const { problems, warnings, cases } = await checkDataset(out);
    assert.deepEqual([problems, warnings, cases.length], [[], [], 3]);
    const phantom = makePhantom(4, 2, [16, 32, 32]);
    const { voxels, affine, spacingMm, orientation } = await readNifti(files[2]?.volume ?? '');
    assert.deepEqual(voxels, Float32Array.from(phantom.hu));
    assert.deepEqual(
      [affine, spacingMm, orientation],
      [phantom.affine, phantom.spacingMm, phantom.orientation],
    );
  });

  it('refuses what cannot be made', async () => {
    const good = { out: folder.path('bad'), cases: 1, shape: [16, 32, 32] as const, seed: 1 };
    for (const bad of [
      { cases: 0 },
      { shape: [4, 32, 32] as const },
      { shape: [16, 32.5, 32] as const },
      { seed: 0.5 },
    ]) {
      await assert.rejects(writePhantomDataset({ ...good, ...bad }), { code: 'ARGUMENT_INVALID' });
    }
  });
});
