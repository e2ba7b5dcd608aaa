import assert from 'node:assert/strict';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { writeNifti } from '@lvnet/volumes';
import { cliFolder, documentOf, runCli, type ErrorDocument } from './cli.fixture.js';

interface Evaluation {
  cases: Record<string, number | string | null>[];
  mean: Record<string, number | null>;
  undefined: Record<string, number>;
}

const shape = [8, 8, 8] as const;
const affine = [2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 4, 0, 0, 0, 0, 1];

/** A mask with these voxels set. */
function mask(...voxels: [number, number, number][]): Uint8Array {
  const values = new Uint8Array(512);
  for (const [x, y, z] of voxels) values[x + 8 * (y + 8 * z)] = 1;
  return values;
}

describe('lvnet evaluate', function () {
  this.timeout(60_000);
  const folder = cliFolder();
  const put = (voxels: Uint8Array, ...names: string[]) =>
    writeNifti(folder.path(...names), { voxels, shape: [...shape], affine });
  const evaluate = (...more: string[]) =>
    runCli(['evaluate', '--reference', 'truth', '--prediction', 'masks', ...more], folder.options());
  before(async () => {
    await mkdir(folder.path('masks'));
    await put(mask([1, 1, 1]), 'truth', 'segmentation-1.nii');
    await put(mask([1, 1, 1]), 'truth', 'volume-1.nii');
    await put(mask([2, 2, 2]), 'truth', 'segmentation-2.nii.gz');
    await put(mask([1, 2, 3]), 'masks', 'liver_1.nii.gz');
    await put(mask(), 'masks', 'segmentation-2.nii');
  });

  it('gives two single voxels their distance in mm, and counts what is not defined', async () => {
    const result = await evaluate('--json');
    assert.equal(result.code, 0);
    const { cases, mean, undefined: counts } = documentOf<Evaluation>(result);
    const distance = Math.hypot(3, 8); // one voxel of 3 mm, two of 4 mm
    const [first = {}, second = {}] = cases;
    assert.deepEqual([first['case'], first['dice'], first['voe'], first['rvd']], ['1', 0, 1, 0]);
    for (const name of ['assdMm', 'rmsdMm', 'mssdMm', 'hd95Mm']) {
      assert.ok(Math.abs(Number(first[name]) - distance) < 1e-9, name); // a square root of a whole number
      assert.equal(second[name], null);
      assert.equal(mean[name], first[name]);
      assert.equal(counts[name], 1);
    }
    assert.deepEqual([second['dice'], second['voe'], second['rvd']], [0, 1, null]);
    assert.deepEqual([mean['dice'], counts['dice'], counts['rvd']], [0, 0, 1]);
  });

  it('averages 9001 in as the official scorer does, and still counts', async () => {
    const {
      cases,
      mean,
      undefined: counts,
    } = documentOf<Evaluation>(await evaluate('--json', '--lits-scorer'));
    assert.equal(cases[1]?.['assdMm'], 9001);
    assert.equal(mean['assdMm'], (Number(cases[0]?.['assdMm']) + 9001) / 2);
    assert.equal(counts['assdMm'], 1);
  });

  it('is a table for people', async () => {
    const { stdout } = await evaluate();
    assert.match(stdout, /^case +dice +voe/);
    assert.match(stdout, /^mean +0\.0000/m);
    assert.match(stdout, /not defined .*assdMm in 1/);
  });

  it('wants a partner for every file', async () => {
    await put(mask(), 'truth3', 'segmentation-1.nii');
    await put(mask(), 'truth3', 'segmentation-2.nii');
    await put(mask(), 'truth3', 'segmentation-3.nii');
    const args = ['evaluate', '--reference', 'truth3', '--prediction', 'masks', '--json'];
    const missing = await runCli(args, folder.options());
    assert.equal(missing.code, 2);
    const { error } = documentOf<ErrorDocument>(missing);
    assert.deepEqual([error.code, error.details['cases']], ['CASE_INCOMPLETE', ['3']]);
    const rest = await runCli([...args, '--allow-missing'], folder.options());
    assert.equal(rest.code, 0);
    assert.match(rest.stderr, /left out.*3/);
    const extra = ['evaluate', '--reference', 'masks', '--prediction', 'truth3', '--allow-missing'];
    const { code, stderr } = await runCli(extra, folder.options());
    assert.equal(code, 2);
    assert.match(stderr, /no reference in masks for case 3 of truth3/);
  });

  it('refuses a file beside a folder, twofold files, no files and files that are no label maps', async () => {
    await put(mask(), 'twice', 'segmentation-1.nii');
    await copyFile(folder.path('twice', 'segmentation-1.nii'), folder.path('twice', 'segmentation-01.nii'));
    await mkdir(folder.path('none'));
    await writeFile(folder.path('text.nii'), 'no scan');
    await writeNifti(folder.path('soft.nii'), {
      voxels: new Float32Array(512).fill(0.5),
      shape: [...shape],
      affine,
    });
    const truth = 'truth/segmentation-1.nii';
    const wrong: [string, string, string][] = [
      ['truth', truth, 'ARGUMENT_INVALID'],
      ['twice', 'twice', 'CASE_INCOMPLETE'],
      ['none', 'none', 'CASE_INCOMPLETE'],
      [truth, 'nowhere.nii', 'FILE_NOT_FOUND'],
      [truth, 'text.nii', 'NIFTI_INVALID'],
      [truth, 'soft.nii', 'VOLUME_INVALID'],
    ];
    for (const [reference, prediction, expected] of wrong) {
      const args = ['evaluate', '--reference', reference, '--prediction', prediction, '--json'];
      const result = await runCli(args, folder.options());
      assert.equal(result.code, 2, `${reference} ${prediction}`);
      assert.equal(documentOf<ErrorDocument>(result).error.code, expected, `${reference} ${prediction}`);
    }
  });

  it('warns when the headers disagree', async () => {
    const moved = affine.map((value, i) => (i === 3 ? 40 : value));
    await writeNifti(folder.path('moved.nii'), { voxels: mask([1, 1, 1]), shape: [...shape], affine: moved });
    const args = [
      'evaluate',
      '--reference',
      'truth/segmentation-1.nii',
      '--prediction',
      'moved.nii',
      '--json',
    ];
    const result = await runCli(args, folder.options());
    assert.equal(documentOf<Evaluation>(result).mean['dice'], 1);
    assert.match(result.stderr, /place the voxels differently/);
  });
});
