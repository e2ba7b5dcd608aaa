import { Failure, sha256Hex } from '@lvnet/core';
import { memoryStore } from '@lvnet/store';
import assert from 'node:assert/strict';
import { bytesOf } from './describe.js';
import { entry, orientationOf, spacingOf, type Geometry } from './geometry.js';
import { normaliseLabels } from './labels.js';
import { writeNifti } from './nifti/write.js';
import { prepareCaseInThread } from './prepare-thread.js';
import { prepareCase, prepareVoxels } from './prepare.js';
import { decodePrepared, encodePrepared, loadPrepared, preparedKey, storePrepared } from './prepared-file.js';
import { decodeRuns, encodeRuns, preparedName, type CaseTransform, type PreparedCase } from './prepared.js';
import { restoreForeground, restoreMask, sourceLabel } from './restore.js';
import { temporaryFolder } from './test-data.fixture.js';

const transform: CaseTransform = {
  version: 1,
  windowHu: [-200, 200],
  rows: 4,
  columns: 6,
  normalise: 'volume',
};

function geometry(orientation: string, shape: [number, number, number]): Geometry {
  const affine = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
  const rows: Record<string, readonly [number, number]> = {
    L: [0, -1],
    R: [0, 1],
    P: [1, -1],
    A: [1, 1],
    I: [2, -1],
    S: [2, 1],
  };
  Array.from(orientation).forEach((code, column) => {
    const [row, sign] = rows[code] ?? [0, 1];
    affine[row * 4 + column] = sign * (column + 1);
  });
  return { shape, affine, spacingMm: spacingOf(affine), orientation };
}

/** Every orientation there is: 48. */
const orientations = ['LPS', 'LSP', 'PLS', 'PSL', 'SLP', 'SPL'].flatMap((order) =>
  [0, 1, 2, 3, 4, 5, 6, 7].map((bits) =>
    Array.from(order)
      .map((code, i) => ((bits >> i) & 1 ? ({ L: 'R', P: 'A', S: 'I' }[code] ?? '') : code))
      .join(''),
  ),
);

/** Voxels that say where in the body they lie, so that a wrong turn shows. */
function bodyVoxels({ shape, affine }: Geometry): Float32Array {
  const [nx, ny] = shape;
  return Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, index) => {
    const position = [index % nx, Math.floor(index / nx) % ny, Math.floor(index / (nx * ny))];
    return [0, 1, 2].reduce((sum, row) => {
      const column = [0, 1, 2].find((axis) => entry(affine, row, axis) !== 0) ?? 0;
      const size = shape[column] ?? 1;
      const fromNegative =
        entry(affine, row, column) > 0 ? (position[column] ?? 0) : size - 1 - (position[column] ?? 0);
      return sum + fromNegative * 10 ** row;
    }, 0);
  });
}

describe('prepareVoxels', () => {
  it('brings every orientation to columns leftwards, rows backwards, slices upwards, and back', () => {
    assert.equal(new Set(orientations).size, 48);
    for (const orientation of orientations) {
      // 4 voxels from right to left, 3 from front to back, 2 from foot to head.
      const sizes: Record<string, number> = { L: 4, R: 4, P: 3, A: 3, S: 2, I: 2 };
      const [nx = 0, ny = 0, nz = 0] = Array.from(orientation).map((code) => sizes[code] ?? 0);
      const source = geometry(orientation, [nx, ny, nz]);
      assert.equal(orientationOf(source.affine), orientation);
      const voxels = bodyVoxels(source);
      const labels = Uint8Array.from(voxels, (value) => (value % 3 === 0 ? 1 : 0));
      const prepared = prepareVoxels(source, voxels, labels, {
        ...transform,
        windowHu: [-1000, 1000],
        rows: 3,
        columns: 4,
      });
      assert.equal(prepared.depth, 2);
      const { meanHu, standardDeviationHu } = prepared.intensity;
      const hu = [...prepared.image].map((value) => Math.round(value * standardDeviationHu + meanHu) + 0);
      // World x grows to the right and y to the front, so columns and rows count down.
      const expected = [0, 1].flatMap((k) =>
        [2, 1, 0].flatMap((j) => [3, 2, 1, 0].map((i) => i + 10 * j + 100 * k)),
      );
      assert.deepEqual(hu, expected, orientation);
      assert.deepEqual(restoreMask(prepared, prepared.label), labels, orientation);
    }
  });

  it('cuts off at the window and ends at mean 0, variance 1', () => {
    const source = geometry('LPS', [6, 4, 2]);
    const voxels = Float32Array.from({ length: 48 }, (_, i) => (i % 2 === 0 ? -3024 : 4000));
    const { image, intensity } = prepareVoxels(source, voxels, undefined, transform);
    assert.deepEqual(intensity, { meanHu: 0, standardDeviationHu: 200 });
    assert.deepEqual([...new Set(image)], [-1, 1]);
  });

  it('makes a constant scan all 0 and says so', () => {
    const { image, warnings } = prepareVoxels(
      geometry('LPS', [6, 4, 2]),
      new Float32Array(48).fill(33.3),
      undefined,
      transform,
    );
    assert.ok(image.every((value) => value === 0));
    assert.deepEqual(warnings, ['The volume is constant within the window.']);
  });

  it('calls a pixel liver where half of it is liver or tumour, and tumour where most of that is', () => {
    const labels = Uint8Array.of(0, 1, 2, 1, 2, 2, 0, 0, 0, 2, 0, 0);
    const shrunk = prepareVoxels(geometry('LPS', [12, 1, 1]), new Float32Array(12), labels, {
      ...transform,
      rows: 1,
      columns: 6,
    });
    assert.deepEqual([...shrunk.label], [1, 1, 2, 0, 2, 0]);
    assert.deepEqual(shrunk.liver, [0, 0]);
  });

  it('warns of a lost spacing, and puts an override into spacing and affine', () => {
    const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
    const lost: Geometry = { shape: [512, 512, 1], spacingMm: [1, 1, 1], affine, orientation: 'RAS' };
    const voxels = new Float32Array(512 * 512);
    assert.match(prepareVoxels(lost, voxels, undefined, transform).warnings[0] ?? '', /exactly 1 x 1 x 1/);
    const { source, warnings } = prepareVoxels(lost, voxels, undefined, {
      ...transform,
      spacingOverrideMm: [0.7, 0.7, 2.5],
    });
    assert.deepEqual([source.spacingMm, source.affine[10], warnings.length], [[0.7, 0.7, 2.5], 2.5, 1]);
  });

  it('gives these bytes on every machine', () => {
    const source = geometry('RAS', [13, 11, 3]);
    const voxels = Float32Array.from({ length: 429 }, (_, i) => ((i * 7919) % 613) - 300);
    const { image } = prepareVoxels(source, voxels, undefined, transform);
    assert.equal(
      sha256Hex(bytesOf(image)),
      'ead6cc55bcf53956f509014f19e758d6cbe9b17922511c51b527c4e702c30449',
    );
  });
});

describe('normaliseLabels', () => {
  it('accepts 0, 1, 2; takes 255 beside 0 as liver; refuses others; says that there is no liver', () => {
    assert.deepEqual(normaliseLabels('l', Uint8Array.of(0, 1, 2)), []);
    const masks = Uint8Array.of(0, 255, 0);
    assert.match(normaliseLabels('l', masks)[0] ?? '', /255 was taken as liver/);
    assert.deepEqual([...masks], [0, 1, 0]);
    assert.match(normaliseLabels('l', new Uint8Array(3))[0] ?? '', /no liver/);
    assert.throws(() => normaliseLabels('l', Uint8Array.of(0, 1, 7)), {
      code: 'VOLUME_INVALID',
      message: /0, 1, 7/,
    });
  });
});

function example(): PreparedCase {
  const source = geometry('LAS', [7, 5, 3]);
  const voxels = Float32Array.from({ length: 105 }, (_, i) => (i * 31) % 300);
  const labels = Uint8Array.from({ length: 105 }, (_, i) => (i > 40 && i < 70 ? 1 + (i % 2) : 0));
  return { ...prepareVoxels(source, voxels, labels, transform), case: '28', contentSha256: 'ab'.repeat(32) };
}

describe('prepared cases in the store', () => {
  it('come back as they were, by name and hash', async () => {
    const store = memoryStore();
    const prepared = example();
    const { name, sha256 } = await storePrepared(store, prepared);
    assert.equal(name, preparedName(prepared.contentSha256, transform));
    assert.deepEqual(await loadPrepared(store, name, sha256), prepared);
    assert.deepEqual(await loadPrepared(store, name), { prepared, sha256 });
    assert.deepEqual(sourceLabel(prepared), decodeRuns(prepared.sourceLabelRuns, 105));
  });

  it('are called by what was done to which voxels', () => {
    const names = [
      transform,
      { ...transform, rows: 5 },
      { ...transform, windowHu: [-100, 200] } as const,
    ].map((t) => preparedName('a', t));
    assert.equal(new Set([...names, preparedName('b', transform)]).size, 4);
  });

  it('are refused when a byte changed, another case lies under the name, or the file is none', async () => {
    const store = memoryStore();
    const prepared = example();
    const { name, sha256 } = await storePrepared(store, prepared);
    const bytes = encodePrepared(prepared).slice();
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    await store.put(preparedKey(name), bytes);
    await assert.rejects(loadPrepared(store, name, sha256), { code: 'CASE_CORRUPT' });
    await store.put(preparedKey(name), encodePrepared({ ...prepared, contentSha256: 'cd'.repeat(32) }));
    await assert.rejects(loadPrepared(store, name), { code: 'CASE_CORRUPT', message: /another case/ });
    for (const broken of [new Uint8Array(0), bytes.subarray(0, 100), Buffer.from('text')]) {
      assert.throws(() => decodePrepared(broken), { code: 'CASE_CORRUPT' });
    }
    const runs = Uint32Array.from(prepared.sourceLabelRuns);
    runs[1] = (runs[1] ?? 0) + 1;
    assert.throws(() => decodePrepared(encodePrepared({ ...prepared, sourceLabelRuns: runs })), {
      code: 'CASE_CORRUPT',
    });
  });
});

describe('runs', () => {
  it('give back the labels, and refuse a length they do not fill', () => {
    for (const labels of [Uint8Array.of(0, 0, 1, 2, 2), Uint8Array.of(7), new Uint8Array(0)]) {
      assert.deepEqual(decodeRuns(encodeRuns(labels), labels.length), labels);
      assert.equal(decodeRuns(encodeRuns(labels), labels.length + 1), undefined);
    }
  });
});

describe('restoreMask', () => {
  it('interpolates probabilities and cuts at the threshold', () => {
    const source = geometry('LPS', [4, 1, 1]);
    const foreground = Float32Array.of(0, 1);
    const grid = { source, depth: 1, rows: 1, columns: 2 };
    assert.deepEqual([...restoreMask(grid, foreground)], [0, 0, 1, 1]);
    assert.deepEqual([...restoreMask(grid, foreground, 0.2)], [0, 1, 1, 1]);
    assert.deepEqual([...restoreForeground(grid, foreground)], [0, 0.25, 0.75, 1]);
    assert.throws(() => restoreMask(grid, new Uint8Array(3)), { code: 'SHAPE_MISMATCH' });
  });
});

describe('prepareCase', () => {
  const folder = temporaryFolder();
  const { affine } = geometry('LAS', [7, 5, 3]);
  const voxels = Int16Array.from({ length: 105 }, (_, i) => i);
  const labels = Uint8Array.from(voxels, (value) => (value > 50 ? 255 : 0));
  const paths = () => ({
    id: '3',
    volume: folder.path('volume-3.nii.gz'),
    label: folder.path('segmentation-3.nii.gz'),
  });
  before(async () => {
    await writeNifti(paths().volume, { voxels, shape: [7, 5, 3], affine });
    await writeNifti(paths().label, { voxels: labels, shape: [7, 5, 3], affine });
  });

  it('gives the same in a thread of its own', async () => {
    const prepared = await prepareCase(paths(), transform);
    assert.equal(prepared.case, '3');
    assert.match(prepared.warnings.join(), /255 was taken as liver/);
    assert.deepEqual(await prepareCaseInThread(paths(), transform), prepared);
  });

  it('prepares a scan without segmentation, whose label cannot be asked for', async () => {
    const prepared = await prepareCase({ ...paths(), label: undefined }, transform);
    assert.deepEqual([prepared.labelled, prepared.liver], [false, null]);
    assert.throws(() => sourceLabel(prepared), { code: 'VOLUME_INVALID' });
    assert.deepEqual(decodePrepared(encodePrepared(prepared)), prepared);
  });

  it('refuses a label of another shape, from the thread as well', async () => {
    const other = folder.path('other.nii');
    await writeNifti(other, { voxels: new Uint8Array(105), shape: [5, 7, 3], affine });
    for (const prepare of [prepareCase, prepareCaseInThread]) {
      await assert.rejects(prepare({ ...paths(), label: other }, transform), (error) => {
        assert.ok(error instanceof Failure && error.code === 'VOLUME_SHAPE_MISMATCH');
        assert.deepEqual(
          [error.details['expected'], error.details['found']],
          [
            [7, 5, 3],
            [5, 7, 3],
          ],
        );
        return true;
      });
    }
  });

  it('warns of a label that lies elsewhere, and keeps the geometry of the volume', async () => {
    const moved = folder.path('moved.nii');
    await writeNifti(moved, {
      voxels: new Uint8Array(105).fill(1),
      shape: [7, 5, 3],
      affine: affine.map((value, i) => (i === 3 ? 9 : value)),
    });
    const { warnings, source } = await prepareCase({ ...paths(), label: moved }, transform);
    assert.match(warnings.join(), /another place/);
    assert.deepEqual(source.affine, affine);
  });

  it('refuses a window that is empty and sizes that are none', async () => {
    for (const bad of [
      { windowHu: [200, 200] as const },
      { rows: 0 },
      { columns: 1.5 },
      { spacingOverrideMm: [1, 0, 1] as const },
    ]) {
      await assert.rejects(prepareCase(paths(), { ...transform, ...bad }), { code: 'ARGUMENT_INVALID' });
    }
  });

  it('stops when cancelled', async () => {
    const controller = new AbortController();
    const running = prepareCaseInThread(paths(), transform, { signal: controller.signal });
    controller.abort();
    await assert.rejects(running, { code: 'CANCELLED' });
    await assert.rejects(prepareCaseInThread(paths(), transform, { signal: controller.signal }), {
      code: 'CANCELLED',
    });
  });
});
