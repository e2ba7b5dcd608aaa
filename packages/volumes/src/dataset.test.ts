import assert from 'node:assert/strict';
import { mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { discoverCases, matchCases } from './case-files.js';
import { checkDataset } from './check-dataset.js';
import { hashCase } from './content-hash.js';
import { writeNifti } from './nifti/write.js';
import { temporaryFolder } from './test-data.fixture.js';

const affine = [-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1];

describe('matchCases', () => {
  it('pairs both layouts in the order of their numbers and leaves other files alone', () => {
    const lits = matchCases('/d', [
      'volume-10.nii',
      'segmentation-10.nii.gz',
      'volume-9.nii.gz',
      'segmentation-9.nii',
      'test-volume-2.nii',
      '._volume-3.nii',
      'notes.txt',
    ]);
    assert.deepEqual(lits.problems, []);
    assert.deepEqual(lits.cases, [
      { id: '9', volume: '/d/volume-9.nii.gz', label: '/d/segmentation-9.nii', layout: 'lits' },
      { id: '10', volume: '/d/volume-10.nii', label: '/d/segmentation-10.nii.gz', layout: 'lits' },
      { id: 'test-2', volume: '/d/test-volume-2.nii', label: undefined, layout: 'lits' },
    ]);
    const msd = matchCases('/d', [
      'imagesTr/liver_4.nii.gz',
      'labelsTr/liver_4.nii.gz',
      'imagesTr/._liver_4.nii.gz',
    ]);
    assert.deepEqual(msd.cases, [
      { id: '4', volume: '/d/imagesTr/liver_4.nii.gz', label: '/d/labelsTr/liver_4.nii.gz', layout: 'msd' },
    ]);
  });

  const incomplete: readonly (readonly [string, string[], RegExp])[] = [
    [
      'a volume without its segmentation',
      ['volume-1.nii', 'segmentation-2.nii', 'volume-2.nii'],
      /volume-1\.nii has no segmentation/,
    ],
    ['a segmentation without its volume', ['segmentation-2.nii'], /segmentation-2\.nii has no volume/],
    [
      'a volume that is there twice',
      ['volume-1.nii', 'volume-1.nii.gz', 'segmentation-1.nii'],
      /volume-1\.nii\.gz is there beside/,
    ],
  ];
  for (const [what, names, message] of incomplete) {
    it(`names ${what}`, () => {
      const [problem] = matchCases('/d', names).problems;
      assert.equal(problem?.code, 'CASE_INCOMPLETE');
      assert.match(problem.message, message);
    });
  }
});

describe('a data set on disk', () => {
  const folder = temporaryFolder();
  const volume = Int16Array.from({ length: 60 }, (_, i) => i);
  const label = Uint8Array.from(volume, (value) => (value > 40 ? (value > 55 ? 2 : 1) : 0));
  const write = async (id: string, o: { label?: Uint8Array; shape?: [number, number, number] } = {}) => {
    await writeNifti(folder.path(`set/volume-${id}.nii.gz`), { voxels: volume, shape: [5, 4, 3], affine });
    await writeNifti(folder.path(`set/segmentation-${id}.nii`), {
      voxels: o.label ?? label,
      shape: o.shape ?? [5, 4, 3],
      affine,
    });
  };
  before(() => write('1'));

  it('is refused when absent, empty or incomplete', async () => {
    await assert.rejects(discoverCases(folder.path('nowhere')), { code: 'FILE_NOT_FOUND' });
    await mkdir(folder.path('empty'));
    await assert.rejects(discoverCases(folder.path('empty')), {
      code: 'DATASET_INVALID',
      hint: /volume-N.*imagesTr/,
    });
    await mkdir(folder.path('half'));
    await writeFile(folder.path('half/volume-1.nii'), '');
    await assert.rejects(discoverCases(folder.path('half')), { code: 'CASE_INCOMPLETE' });
  });

  it('hashes voxels, labels and place, not files', async () => {
    const [files] = await discoverCases(folder.path('set'));
    assert.ok(files?.label !== undefined);
    const hash = await hashCase(files);
    assert.deepEqual(
      [hash.shape, hash.spacingMm],
      [
        [5, 4, 3],
        [1, 1, 2],
      ],
    );
    const repacked = { volume: folder.path('float.nii'), label: files.label };
    await writeNifti(repacked.volume, { voxels: Float32Array.from(volume), shape: [5, 4, 3], affine });
    assert.deepEqual(await hashCase(repacked), hash);
    await writeNifti(repacked.volume, {
      voxels: volume,
      shape: [5, 4, 3],
      affine: affine.map((x, i) => (i === 3 ? 1 : x)),
    });
    assert.notEqual((await hashCase(repacked)).contentSha256, hash.contentSha256);
    assert.notEqual((await hashCase({ ...files, label: undefined })).contentSha256, hash.contentSha256);
  });

  it('remembers hashes until a file changes, and survives a broken memory', async () => {
    const [files] = await discoverCases(folder.path('set'));
    assert.ok(files !== undefined);
    const cachePath = folder.path('cache/hashes.json');
    const hash = await hashCase(files, { cachePath });
    const text = await readFile(cachePath, 'utf8');
    const marked = text.replace(hash.contentSha256, 'f'.repeat(64));
    await writeFile(cachePath, marked);
    assert.equal((await hashCase(files, { cachePath })).contentSha256, 'f'.repeat(64));
    await utimes(files.volume, new Date(1000), new Date(1000));
    assert.deepEqual(await hashCase(files, { cachePath }), hash);
    await writeFile(cachePath, '{ broken');
    assert.deepEqual(await hashCase(files, { cachePath }), hash);
  });

  it('is checked case by case, going on after a broken one', async () => {
    await write('2', { shape: [4, 5, 3] });
    await write('3', { label: new Uint8Array(60) });
    await write('4');
    await write('5');
    await writeFile(folder.path('set/volume-5.nii.gz'), 'no nifti');
    await writeFile(folder.path('set/volume-6.nii.gz'), '');
    const { cases, problems, warnings } = await checkDataset(folder.path('set'));
    assert.deepEqual(
      cases.map((item) => item.id),
      ['1', '3', '4'],
    );
    assert.deepEqual(
      problems.map((item) => [item.case, item.code]),
      [
        ['6', 'CASE_INCOMPLETE'],
        ['2', 'VOLUME_SHAPE_MISMATCH'],
        ['5', 'NIFTI_INVALID'],
      ],
    );
    assert.deepEqual(warnings, [
      { case: '3', message: 'The segmentation holds no liver.' },
      { case: '4', message: 'It has the same content as case 1.' },
    ]);
    const [first] = cases;
    assert.deepEqual(
      [first?.liverVoxels, first?.tumourVoxels, first?.liverMl, first?.maxHu],
      [19, 4, 0.038, 59],
    );
    assert.equal(
      first?.contentSha256,
      (await hashCase(first ?? { volume: '', label: undefined })).contentSha256,
    );
  });
});
