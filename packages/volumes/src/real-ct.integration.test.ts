import assert from 'node:assert/strict';
import { join } from 'node:path';
import { discoverCases, type CaseFiles } from './case-files.js';
import { checkDataset } from './check-dataset.js';
import { describeVolume } from './describe.js';
import { readNifti } from './nifti/read.js';
import { prepareCaseInThread } from './prepare-thread.js';
import { prepareCase } from './prepare.js';
import { decodePrepared, encodePrepared } from './prepared-file.js';
import type { CaseTransform } from './prepared.js';
import { restoreMask, sourceLabel } from './restore.js';
import { needRealData, realData } from './test-data.fixture.js';

const transform: CaseTransform = {
  version: 1,
  windowHu: [-200, 200],
  rows: 128,
  columns: 128,
  normalise: 'volume',
};

const firstCase = async (folder: string): Promise<CaseFiles> => {
  const [files] = await discoverCases(join(realData, folder));
  assert.ok(files !== undefined);
  return files;
};

function dice(a: Uint8Array, b: Uint8Array): number {
  let both = 0;
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const [p, q] = [(a[i] ?? 0) > 0, (b[i] ?? 0) > 0];
    if (p && q) both++;
    sum += Number(p) + Number(q);
  }
  return (2 * both) / sum;
}

/** The longest time this thread's event loop stood still during some work. */
async function longestPause<T>(work: () => Promise<T>): Promise<{ result: T; pauseMs: number }> {
  let pauseMs = 0;
  let running = true;
  let lastMs = performance.now();
  const turn = () => {
    const nowMs = performance.now();
    pauseMs = Math.max(pauseMs, nowMs - lastMs);
    lastMs = nowMs;
    if (running) setImmediate(turn);
  };
  turn();
  const result = await work();
  turn();
  running = false;
  return { result, pauseMs };
}

describe('real CT', function () {
  this.timeout(60_000);
  needRealData();

  it('is described with its own geometry and values', async () => {
    const { volume } = await firstCase('lits-real/tiny');
    const { shape, spacingMm, orientation, datatype, min, max } = await describeVolume(volume);
    assert.deepEqual([shape, orientation, datatype, min, max], [[128, 128, 64], 'LPS', 'int16', -1024, 1023]);
    assert.deepEqual(
      spacingMm.map((size) => Number(size.toFixed(4))),
      [2.28, 2.28, 3.2],
    );
  });

  it('passes the check of a data set', async () => {
    for (const [folder, count] of [
      ['lits-real/tiny', 1],
      ['ct-open', 2],
    ] as const) {
      const { cases, problems } = await checkDataset(join(realData, folder));
      assert.deepEqual([cases.length, problems], [count, []]);
      assert.ok(cases.every(({ liverMl }) => liverMl !== null && liverMl > 500 && liverMl < 3000));
    }
  });

  it('keeps its liver through preparation and back', async () => {
    // At the source's size nothing is lost; halved, only the border's half pixels are.
    const same = await prepareCase(await firstCase('lits-real/tiny'), transform);
    assert.deepEqual(
      restoreMask(
        same,
        same.label.map((value) => Math.min(value, 1)),
      ),
      sourceLabel(same).map((value) => Math.min(value, 1)),
    );
    const halved = await prepareCase(await firstCase('lits-real/half'), transform);
    const back = restoreMask(
      halved,
      halved.label.map((value) => Math.min(value, 1)),
    );
    assert.ok(dice(back, sourceLabel(halved)) > 0.98);
    assert.deepEqual([halved.depth, halved.liver], [129, [27, 124]]);
  });

  it('is laid the same way whatever orientation it came in: spine behind, liver on the right', async () => {
    for (const folder of ['lits-real/tiny', 'ct-open']) {
      const { image, label, depth, rows, columns } = await prepareCase(await firstCase(folder), transform);
      let [liverColumn, liverCount, boneRow, boneCount] = [0, 0, 0, 0];
      const brightest = image.reduce((most, value) => Math.max(most, value), -Infinity);
      for (let i = 0; i < depth * rows * columns; i++) {
        if ((label[i] ?? 0) > 0) [liverColumn, liverCount] = [liverColumn + (i % columns), liverCount + 1];
        if ((image[i] ?? 0) >= brightest - 1e-6)
          [boneRow, boneCount] = [boneRow + (Math.floor(i / columns) % rows), boneCount + 1];
      }
      assert.ok(liverColumn / liverCount < columns / 2, `${folder}: liver right`);
      assert.ok(boneRow / boneCount > rows / 2, `${folder}: spine behind`);
    }
  });

  it('comes back from its prepared file as it went in', async () => {
    const prepared = await prepareCase(await firstCase('ct-open'), transform);
    assert.deepEqual(decodePrepared(encodePrepared(prepared)), prepared);
    const sum = prepared.image.reduce((total, value) => total + value, 0) / prepared.image.length;
    const squares = prepared.image.reduce((total, value) => total + value * value, 0) / prepared.image.length;
    assert.ok(Math.abs(sum) < 1e-5 && Math.abs(squares - 1) < 1e-5);
  });

  it('is prepared in a thread without holding up this one', async () => {
    const files = await firstCase('lits-real/half');
    const aside = await longestPause(() => prepareCaseInThread(files, transform));
    const here = await longestPause(() => prepareCase(files, transform));
    assert.deepEqual(aside.result.image, here.result.image);
    assert.ok(aside.pauseMs < here.pauseMs / 2, `${String(aside.pauseMs)} of ${String(here.pauseMs)} ms`);
  });

  it('refuses a label of another case', async () => {
    const [a, b] = [await firstCase('lits-real/tiny'), await firstCase('ct-open')];
    await assert.rejects(prepareCase({ ...a, label: b.label }, transform), { code: 'VOLUME_SHAPE_MISMATCH' });
    await assert.rejects(readNifti(realData), { code: 'NIFTI_INVALID' });
  });
});
