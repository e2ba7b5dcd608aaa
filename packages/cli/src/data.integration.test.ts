import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import {
  cliFolder,
  documentOf,
  filesBelow,
  realData,
  runCli,
  startCli,
  type ErrorDocument,
} from './cli.fixture.js';

const phantom = (out: string, cases = '3') => [
  ...['data', 'phantom', '--out', out, '--cases', cases, '--shape', '16,32,32', '--seed', '1'],
];

describe('lvnet data', function () {
  this.timeout(60_000);
  const folder = cliFolder();
  const run = (...args: string[]) => runCli(args, folder.options());
  before(async () => {
    assert.equal((await run(...phantom('phantoms'))).code, 0);
  });

  it('phantom writes the same LiTS files for the same seed', async () => {
    const result = await run(...phantom('again'), '--json');
    assert.equal(result.code, 0);
    assert.equal(documentOf<{ cases: unknown[] }>(result).cases.length, 3);
    const files = await filesBelow(folder.path('phantoms'));
    assert.deepEqual(
      files,
      ['segmentation', 'volume'].flatMap((kind) => ['0', '1', '2'].map((id) => `${kind}-${id}.nii.gz`)),
    );
    for (const file of files) {
      const [a, b] = await Promise.all(
        ['phantoms', 'again'].map((name) => readFile(folder.path(name, file))),
      );
      assert.deepEqual(a, b, file);
    }
  });

  it('phantom stops between two cases at Ctrl-C', async () => {
    const running = startCli(phantom('stopped', '2000'), folder.options());
    await running.until(/^case 1 /m);
    running.child.kill('SIGINT');
    const { code, stderr } = await running.ended;
    assert.equal(code, 130);
    assert.match(stderr, /^Interrupted\. \d+ of 2000 phantoms written/m);
    const report = await run('data', 'check', 'stopped', '--json');
    assert.equal(report.code, 0, 'every volume has its segmentation, all are whole');
    assert.ok((await filesBelow(folder.path('stopped'))).length < 4000);
  });

  it('check finds sound cases sound', async () => {
    const result = await run('data', 'check', 'phantoms', '--json');
    assert.equal(result.code, 0);
    const { cases, problems } = documentOf<{ cases: { id: string }[]; problems: unknown[] }>(result);
    assert.deepEqual([cases.map((item) => item.id), problems], [['0', '1', '2'], []]);
  });

  it('check goes on after a broken case, names it, and ends with 2', async () => {
    await run(...phantom('broken'));
    await writeFile(folder.path('broken', 'volume-1.nii.gz'), 'no scan');
    await rm(folder.path('broken', 'segmentation-2.nii.gz'));
    const result = await run('data', 'check', 'broken', '--json');
    assert.equal(result.code, 2);
    const report = documentOf<{ cases: { id: string }[]; problems: { case: string; code: string }[] }>(
      result,
    );
    assert.deepEqual(
      report.cases.map((item) => item.id),
      ['0'],
    );
    assert.deepEqual(
      report.problems.map((problem) => [problem.case, problem.code]),
      [
        ['2', 'CASE_INCOMPLETE'],
        ['1', 'NIFTI_INVALID'],
      ],
    );
    const { code, stdout } = await run('data', 'check', 'broken');
    assert.equal(code, 2);
    assert.match(stdout, /problem: case 1: .*volume-1\.nii\.gz/);
  });

  it('prepare brings cases into the store once', async () => {
    const args = ['data', 'prepare', 'phantoms', '--store', 'store', '--patch', '8,16,16', '--json'];
    interface Prepared {
      created: number;
      cases: { case: string; prepared: string; created: boolean }[];
    }
    const first = documentOf<Prepared>(await run(...args));
    assert.equal(first.created, 3);
    const stored = first.cases.map((item) => `cases/${item.prepared}.safetensors`).sort();
    assert.deepEqual(await filesBelow(folder.path('store')), stored);
    const second = documentOf<Prepared>(await run(...args));
    assert.deepEqual(second, {
      ...first,
      created: 0,
      cases: first.cases.map((item) => ({ ...item, created: false })),
    });
  });

  it('prepare does what it can and then names what it could not', async () => {
    const args = ['data', 'prepare', 'broken', '--store', 'store2', '--patch', '8,16,16', '--json'];
    const result = await run(...args);
    assert.equal(result.code, 2);
    const { error } = documentOf<ErrorDocument>(result);
    assert.equal(error.code, 'DATASET_INVALID');
    assert.equal((error.details['prepared'] as unknown[]).length, 1);
    assert.equal((error.details['problems'] as unknown[]).length, 2);
    assert.equal((await filesBelow(folder.path('store2'))).length, 1);
  });

  it('prepare needs to know a store', async () => {
    const { code, stderr } = await run('data', 'prepare', 'phantoms');
    assert.equal(code, 2);
    assert.match(stderr, /LVNET_STORE/);
  });

  it('prepare stops in order at Ctrl-C: exit code 130, nothing half written', async () => {
    await run(...phantom('many', '12'));
    const args = ['data', 'prepare', 'many', '--store', 'store3', '--patch', '16,512,512', '--jobs', '1'];
    const running = startCli(args, folder.options());
    await running.until(/case 0: prepared/);
    running.child.kill('SIGINT');
    const { code, stderr } = await running.ended;
    assert.equal(code, 130);
    assert.match(stderr, /^Interrupted\. \d+ of 12 cases prepared/m);
    const files = await filesBelow(folder.path('store3'));
    assert.ok(files.length >= 1 && files.length < 12, `${String(files.length)} of 12 were prepared`);
    assert.ok(files.every((file) => /^cases\/[0-9a-f]{64}\.safetensors$/.test(file)));
    const again = await run(...args, '--json');
    const { created } = documentOf<{ created: number }>(again);
    assert.equal(created, 12 - files.length, 'what was stored is whole and stays');
  });

  it('split writes a manifest, never over another one, and checks it', async () => {
    const draw = (...more: string[]) =>
      run('data', 'split', 'phantoms', '--train', '1', '--validation', '1', '--test', '1', ...more);
    const result = await draw('--out', 'split.json', '--json');
    assert.equal(result.code, 0);
    const manifest = JSON.parse(await readFile(folder.path('split.json'), 'utf8')) as Record<string, unknown>;
    const document = documentOf<Record<string, unknown>>(result);
    for (const part of ['train', 'validation', 'test']) assert.deepEqual(document[part], manifest[part]);
    assert.equal((await draw('--out', 'split.json')).code, 0, 'the same split may be written again');
    const other = await draw('--out', 'split.json', '--seed', '1');
    assert.equal(other.code, 2);
    assert.match(other.stderr, /--force/);
    assert.equal((await draw('--out', 'split.json', '--seed', '1', '--force')).code, 0);
    assert.equal((await run('data', 'split', 'phantoms', '--check', 'split.json')).code, 0);
    const changed = await run('data', 'split', 'broken', '--check', 'split.json', '--json');
    assert.equal(changed.code, 2);
    assert.equal((await run('data', 'split', 'phantoms', '--train', '9')).code, 2);
  });

  it('takes an empty folder, a missing one and a mismatched pair for what they are', async () => {
    await mkdir(folder.path('empty'));
    await run(...phantom('mixed', '1'));
    await run('data', 'phantom', '--out', 'other', '--cases', '1', '--shape', '8,16,16');
    const label = await readFile(folder.path('other', 'segmentation-0.nii.gz'));
    await writeFile(folder.path('mixed', 'segmentation-0.nii.gz'), label);
    const codes: [string, string][] = [
      ['empty', 'DATASET_INVALID'],
      ['nowhere', 'FILE_NOT_FOUND'],
    ];
    for (const [name, code] of codes) {
      const result = await run('data', 'check', name, '--json');
      assert.equal(result.code, 2);
      assert.equal(documentOf<ErrorDocument>(result).error.code, code);
    }
    const mixed = await run('data', 'check', 'mixed');
    assert.equal(mixed.code, 2);
    assert.match(mixed.stdout, /segmentation-0\.nii\.gz is 16x16x8, its volume is 32x32x16/);
  });
});

describe('lvnet on real CT', function () {
  this.timeout(120_000);
  const folder = cliFolder();
  const data = realData();
  const run = (...args: string[]) => runCli(args, folder.options());

  it('describes a scan', async () => {
    const result = await run('volume', data.path('lits-real', 'tiny', 'volume-28.nii.gz'), '--json');
    const volume = documentOf<Record<string, unknown>>(result);
    assert.deepEqual(
      [volume['shape'], volume['orientation'], volume['datatype'], volume['min'], volume['max']],
      [[128, 128, 64], 'LPS', 'int16', -1024, 1023],
    );
    const affine = volume['affine'] as number[][];
    assert.deepEqual(
      affine.map((row) => row.length),
      [4, 4, 4, 4],
    );
    assert.deepEqual(affine[3], [0, 0, 0, 1]);
    for (const [axis, mm] of (volume['spacingMm'] as number[]).entries()) {
      assert.ok(Math.abs(mm - Math.hypot(...affine.slice(0, 3).map((row) => row[axis] ?? 0))) < 1e-12);
    }
    assert.match(String(volume['sha256']), /^[0-9a-f]{64}$/);
    const people = await run('volume', data.path('lits-real', 'tiny', 'volume-28.nii.gz'));
    assert.match(people.stdout, /128 x 128 x 64/);
  });

  it('checks and prepares folders', async () => {
    const check = await run('data', 'check', data.path('ct-open'), '--json');
    assert.equal(check.code, 0);
    assert.deepEqual(
      documentOf<{ cases: { orientation: string }[] }>(check).cases.map((item) => item.orientation),
      ['RAS', 'LAS'],
    );
    const args = [
      'data',
      'prepare',
      data.path('ct-open'),
      '--store',
      'store',
      '--patch',
      '16,128,128',
      '--json',
    ];
    const prepared = documentOf<{ cases: { depth: number; rows: number; liver: unknown }[] }>(
      await run(...args),
    );
    assert.deepEqual(
      prepared.cases.map((item) => [item.depth, item.rows, item.liver !== null]),
      [
        [112, 128, true],
        [20, 128, true],
      ],
    );
  });

  it('finds a segmentation equal to itself', async () => {
    const file = data.path('lits-real', 'half', 'segmentation-28.nii.gz');
    const result = await run('evaluate', '--reference', file, '--prediction', file, '--json');
    const { cases, mean } = documentOf<{ cases: Record<string, unknown>[]; mean: Record<string, unknown> }>(
      result,
    );
    const same = { dice: 1, voe: 0, rvd: 0, rvdAbs: 0, assdMm: 0, rmsdMm: 0, mssdMm: 0, hd95Mm: 0 };
    assert.deepEqual([cases, mean], [[{ case: '28', ...same }], same]);
  });

  it('measures folders case by case', async () => {
    const result = await run(
      'evaluate',
      '--reference',
      data.path('ct-open'),
      '--prediction',
      data.path('ct-open'),
      '--json',
    );
    const { cases } = documentOf<{ cases: { case: string; dice: number }[] }>(result);
    assert.deepEqual(
      cases.map((item) => [item.case, item.dice]),
      [
        ['0', 1],
        ['1', 1],
      ],
    );
  });

  it('refuses two label maps of different scans', async () => {
    const [a, b] = ['0', '1'].map((id) => data.path('ct-open', `segmentation-${id}.nii.gz`));
    const result = await run('evaluate', '--reference', a ?? '', '--prediction', b ?? '', '--json');
    assert.equal(result.code, 2);
    assert.equal(documentOf<ErrorDocument>(result).error.code, 'VOLUME_SHAPE_MISMATCH');
  });
});
