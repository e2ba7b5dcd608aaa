import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { weightsSha256 } from '@lvnet/checkpoints';
import { decodeSafetensors } from '@lvnet/safetensors';
import { makePhantom, readLabelMap, readNifti, writeNifti } from '@lvnet/volumes';
import { cliFolder, documentOf, filesBelow, runCli, startCli, type ErrorDocument } from './cli.fixture.js';
import { storeRun, type StoredRun } from './stored-run.fixture.js';

interface Prediction {
  checkpoint: { run: string; step: number };
  cases: { case: string; output: string; liverMl: number }[];
}

function asRoot(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: 'ignore' });
}

describe('lvnet predict and export', function () {
  this.timeout(120_000);
  const folder = cliFolder();
  let stored: StoredRun;
  const checkpointFolder = (step: number, ...names: string[]) =>
    folder.path('store', 'runs', stored.run, 'checkpoints', String(step), ...names);
  const run = (...args: string[]) => runCli(args, folder.options());
  const predict = (checkpoint: string, out: string, ...more: string[]) =>
    run('predict', '--checkpoint', checkpoint, '--input', 'scans', '--out', out, '--store', 'store', ...more);
  const stepOf = async (checkpoint: string, out: string) => {
    const result = await predict(checkpoint, out, '--json');
    assert.equal(result.code, 0, result.stderr);
    return documentOf<Prediction>(result).checkpoint.step;
  };
  before(async () => {
    stored = await storeRun({
      ...{ dataRoot: folder.path('data'), storeFolder: folder.path('store'), name: 'tiny' },
    });
    await mkdir(folder.path('scans'));
    await copyFile(folder.path('data', 'volume-0.nii.gz'), folder.path('scans', 'volume-0.nii.gz'));
    const { hu, shape, affine } = makePhantom(9, 1, [20, 24, 40]);
    await writeNifti(folder.path('scans', 'test-volume-7.nii'), { voxels: hu, shape, affine });
    await writeNifti(folder.path('scans', 'patient.nii.gz'), { voxels: hu, shape, affine });
  });

  it('writes label maps in the scans’ own geometry under LiTS names', async () => {
    const result = await predict('tiny', 'masks', '--probabilities', '--json');
    assert.equal(result.code, 0, result.stderr);
    const { cases } = documentOf<Prediction>(result);
    const names = ['patient.nii.gz', 'segmentation-0.nii.gz', 'test-segmentation-7.nii'];
    const all = [...names, ...names.map((name) => `probabilities/${name}`)].sort();
    assert.deepEqual(await filesBelow(folder.path('masks')), all);
    assert.equal(cases.length, 3);
    for (const item of cases) {
      const mask = await readLabelMap(item.output);
      const probability = await readNifti(
        folder.path('masks', 'probabilities', item.output.split('/').at(-1) ?? ''),
      );
      const scan = await readNifti(
        folder.path('scans', `${item.case}.nii${item.case.startsWith('test') ? '' : '.gz'}`),
      );
      assert.deepEqual(
        [mask.shape, mask.affine, mask.orientation],
        [scan.shape, scan.affine, scan.orientation],
      );
      assert.deepEqual([probability.datatype, probability.affine], ['float32', scan.affine]);
      const fromProbability = Uint8Array.from(probability.voxels, (value) => (value >= 0.5 ? 1 : 0));
      assert.deepEqual(mask.labels, fromProbability);
    }
    const [a, b] = await Promise.all(
      ['patient.nii.gz', 'test-segmentation-7.nii'].map((name) => readLabelMap(folder.path('masks', name))),
    );
    assert.deepEqual(a?.labels, b?.labels, 'the same scan, compressed or not');
  });

  it('knows the best, the last and every other checkpoint, by run, path and URL', async () => {
    const { run: id } = stored;
    assert.equal(await stepOf('tiny', 'm1'), 4, 'the best of a validated run');
    assert.equal(await stepOf('tiny@best', 'm1'), 4);
    assert.equal(await stepOf('tiny@last', 'm1'), 8);
    assert.equal(await stepOf(`${id.slice(0, 6)}@8`, 'm1'), 8);
    assert.equal(await stepOf(checkpointFolder(8), 'm1'), 8);
    assert.equal(await stepOf(pathToFileURL(checkpointFolder(4)).href, 'm1'), 4);
    await mkdir(folder.path('a copy'));
    for (const name of ['manifest.json', 'weights.safetensors']) {
      await copyFile(checkpointFolder(8, name), folder.path('a copy', name));
    }
    const alone = await run(
      'predict',
      '--checkpoint',
      './a copy',
      '--input',
      'scans',
      '--out',
      'm2',
      '--json',
    );
    assert.equal(documentOf<Prediction>(alone).checkpoint.step, 8, 'a copied folder is enough');
    assert.deepEqual(await readFile(folder.path('m2', 'patient.nii.gz')), await masksOf('tiny@last'));
  });

  async function masksOf(checkpoint: string): Promise<Buffer> {
    await predict(checkpoint, 'm3');
    return readFile(folder.path('m3', 'patient.nii.gz'));
  }

  it('exports the very bytes of the weights, for PyTorch by their names', async () => {
    const result = await run('export', 'tiny@8', '--store', 'store', '--out', 'w.safetensors', '--json');
    assert.equal(result.code, 0, result.stderr);
    const bytes = await readFile(folder.path('w.safetensors'));
    assert.deepEqual(bytes, await readFile(checkpointFolder(8, 'weights.safetensors')));
    const tensors = [...decodeSafetensors(bytes).tensors.values()];
    assert.equal(documentOf<{ sha256: string }>(result).sha256, weightsSha256(tensors));
    const onnx = await run('export', 'tiny', '--store', 'store', '--out', 'w.onnx', '--format', 'onnx');
    assert.equal(onnx.code, 2);
  });

  it('names what a reference does not find', async () => {
    const wrong: [string, string][] = [
      ['nobody', 'RUN_NOT_FOUND'],
      ['tiny@5', 'CHECKPOINT_NOT_FOUND'],
      ['tiny@worst', 'ARGUMENT_INVALID'],
      ['./nowhere', 'CHECKPOINT_NOT_FOUND'],
      ['./scans', 'CHECKPOINT_NOT_FOUND'],
    ];
    for (const [checkpoint, code] of wrong) {
      const result = await predict(checkpoint, 'm4', '--json');
      assert.equal(result.code, 2, checkpoint);
      assert.equal(documentOf<ErrorDocument>(result).error.code, code, checkpoint);
    }
    const files = await filesBelow(folder.path());
    assert.ok(files.every((file) => !file.startsWith('m4/') && !file.startsWith('nowhere')));
  });

  it('never writes over the scans or their own segmentations', async () => {
    for (const [input, out] of [
      ['data', 'data'],
      ['scans/patient.nii.gz', 'scans'],
      ['scans', 'scans'],
    ] as const) {
      const before = await filesBelow(folder.path(out));
      const args = ['--checkpoint', 'tiny', '--store', 'store', '--input', input, '--out', out, '--json'];
      const result = await run('predict', ...args);
      assert.equal(result.code, 2);
      assert.equal(documentOf<ErrorDocument>(result).error.code, 'ARGUMENT_INVALID');
      assert.deepEqual(await filesBelow(folder.path(out)), before);
    }
  });

  it('leaves a folder that evaluate takes as it is', async () => {
    const args = ['evaluate', '--reference', 'masks', '--prediction', 'masks', '--json'];
    const { cases } = documentOf<{ cases: { case: string }[] }>(await run(...args));
    assert.deepEqual(cases.map((item) => item.case).sort(), ['0', 'patient', 'test-7']);
  });

  it('says which file of a damaged checkpoint is wrong; @last falls back and says so', async () => {
    const file = checkpointFolder(8, 'weights.safetensors');
    const whole = await readFile(file);
    const damaged = Uint8Array.from(whole);
    damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
    await writeFile(file, damaged);
    try {
      const asked = await predict('tiny@8', 'm5', '--json');
      assert.equal(asked.code, 1);
      const { error } = documentOf<ErrorDocument>(asked);
      assert.equal(error.code, 'CHECKPOINT_CORRUPT');
      assert.match(error.message, /checkpoints\/8\/weights\.safetensors is damaged/);
      const last = await predict('tiny@last', 'm5', '--json');
      assert.equal(documentOf<Prediction>(last).checkpoint.step, 4);
      assert.match(last.stderr, /checkpoint 8 was left out: .*weights\.safetensors is damaged/);
    } finally {
      await writeFile(file, whole);
    }
  });

  it('leaves nothing half written on a full disk', async function () {
    const disk = folder.path('disk');
    await mkdir(disk);
    try {
      asRoot('mount', '-t', 'tmpfs', '-o', 'size=12k', 'tmpfs', disk);
    } catch {
      process.stderr.write('      skipped: a small disk can only be mounted as root\n');
      this.skip();
    }
    try {
      const args = ['--checkpoint', 'tiny', '--store', 'store', '--input', 'scans/test-volume-7.nii'];
      const result = await run('predict', ...args, '--out', join(disk, 'out'), '--json');
      assert.equal(result.code, 1, result.stderr);
      const { error } = documentOf<ErrorDocument>(result);
      assert.equal(error.code, 'DISK_FULL');
      assert.match(error.message, /test-segmentation-7\.nii/);
      assert.deepEqual(await filesBelow(disk), []);
    } finally {
      asRoot('umount', disk);
    }
  });

  it('stops in order at Ctrl-C: exit code 130, whole files only', async () => {
    await mkdir(folder.path('many'));
    const { hu, shape, affine } = makePhantom(9, 2, [32, 64, 64]);
    for (let i = 0; i < 40; i++) {
      await writeNifti(folder.path('many', `volume-${String(i)}.nii.gz`), { voxels: hu, shape, affine });
    }
    const args = [
      'predict',
      '--checkpoint',
      'tiny',
      '--store',
      'store',
      '--input',
      'many',
      '--out',
      'stopped',
    ];
    const running = startCli(args, folder.options());
    await running.until(/volume-2 \(3 of 40\)/);
    running.child.kill('SIGINT');
    const { code, stderr, stdout } = await running.ended;
    assert.deepEqual([code, stdout], [130, '']);
    assert.match(stderr, /^Interrupted\. \d+ of 40 scans predicted/m);
    const files = await filesBelow(folder.path('stopped'));
    assert.ok(files.length >= 2 && files.length < 40, `${String(files.length)} files`);
    for (const file of files) {
      assert.match(file, /^segmentation-\d+\.nii\.gz$/);
      assert.deepEqual((await readLabelMap(folder.path('stopped', file))).shape, shape);
    }
    await rm(folder.path('many'), { recursive: true });
  });
});
