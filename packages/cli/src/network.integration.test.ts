import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { counterRandom } from '@lvnet/core';
import { decodeSafetensors, encodeSafetensors, float32Of, type NamedTensor } from '@lvnet/safetensors';
import { cliFolder, documentOf, filesBelow, runCli, type ErrorDocument } from './cli.fixture.js';

const small = ['baseWidth=2', 'levels=3', 'blocksPerStage=1', 'expansionRate=2', 'kernel=3'];
const set = (...changes: string[]) => changes.flatMap((change) => ['--set', change]);

describe('lvnet networks, init and trace', function () {
  this.timeout(120_000);
  const folder = cliFolder();
  const run = (...args: string[]) => runCli(args, folder.options());
  const tensorsOf = async (name: string) => decodeSafetensors(await readFile(folder.path(name))).tensors;

  it('count the paper’s network to the digit', async () => {
    const result = await run('networks', 'lv-net', '--json');
    const network = documentOf<Record<string, unknown>>(result);
    assert.equal(network['parameters'], 1_659_282);
    assert.equal(Number(network['gflops']).toFixed(2), '58.07');
    assert.equal((Number(network['macs']) / 1e9).toFixed(3), '54.188');
    assert.equal(network['storageMiB'], 6.56);
    assert.ok(Array.isArray(network['layers']) && network['layers'].length > 200);
    const { native } = network['memory'] as { native: { trainingBytes: number } };
    assert.ok(native.trainingBytes > 2 ** 30);
    const all = documentOf<{ networks: { name: string }[] }>(await run('networks', '--json'));
    assert.deepEqual(
      all.networks.map((item) => item.name),
      ['u-net', 'ce-net', '3d-u-net', 'v-net', 'lv-net'],
    );
    const people = await run('networks', 'lv-net');
    assert.match(people.stdout, /total .*1,659,282 +58\.069/);
  });

  const unfit: [string[], string, RegExp, RegExp][] = [
    [['lvnet'], 'NETWORK_INVALID', /no network lvnet/, /lv-net/],
    [['v-nett'], 'NETWORK_INVALID', /no network v-nett/, /v-net/],
    [
      ['lv-net', '--input', '16,100,100'],
      'SHAPE_MISMATCH',
      /must divide by 16 \(2\^\(levels - 1\)\)/,
      /levels/,
    ],
    [['u-net', '--input', '3,40,40'], 'SHAPE_MISMATCH', /rows and columns must divide by 16/, /sizes/],
    [['ce-net', '--input', '1,240,256'], 'SHAPE_MISMATCH', /must divide by 32/, /sizes/],
    [['ce-net', '--input', '1,160,192'], 'SHAPE_MISMATCH', /must be 192 or more/, /sizes/],
    [['v-net', '--input', '8,32,32'], 'SHAPE_MISMATCH', /every size must divide by 16/, /sizes/],
    [['lv-net', '--set', 'expansonRate=4'], 'NETWORK_INVALID', /did you mean expansionRate/, /Options: /],
    [['ce-net', '--set', 'contxt=repeat'], 'NETWORK_INVALID', /did you mean context/, /Options: /],
    [['v-net', '--set', 'kernel=5'], 'NETWORK_INVALID', /kernel is no option/, /baseWidth/],
    [['lv-net', '--set', 'kernel=4'], 'NETWORK_INVALID', /kernel: /, /Options: /],
    [['3d-u-net', '--set', 'groups=24'], 'NETWORK_INVALID', /must divide by groups \(24\)/, /Change/],
    [['lv-net', '--set', 'expansionRate'], 'ARGUMENT_INVALID', /not path=value/, /For example/],
  ];
  for (const [args, code, message, hint] of unfit) {
    it(`refuse networks ${args.join(' ')}`, async () => {
      const result = await run('networks', ...args, '--json');
      const { error } = documentOf<ErrorDocument>(result);
      assert.deepEqual([error.code, result.code], [code, 2]);
      assert.match(error.message, message);
      assert.match(error.hint, hint);
    });
  }

  it('write the same initial weights for the same seed', async () => {
    for (const [seed, out] of [
      ['7', 'a'],
      ['7', 'b'],
      ['8', 'c'],
    ] as const) {
      const result = await run(
        'init',
        'lv-net',
        '--seed',
        seed,
        '--out',
        `${out}.safetensors`,
        ...set(...small),
      );
      assert.equal(result.code, 0, result.stderr);
    }
    const [a, b, c] = await Promise.all(
      ['a', 'b', 'c'].map((name) => readFile(folder.path(`${name}.safetensors`))),
    );
    assert.deepEqual(a, b);
    assert.notDeepEqual(a, c);
    const tensors = await tensorsOf('a.safetensors');
    assert.deepEqual(tensors.get('stem.conv.weight')?.shape, [2, 1, 3, 3, 3]);
    assert.equal(tensors.get('stem.bn.num_batches_tracked')?.dtype, 'I64');
  });

  async function writeBatch(name: string, over: Partial<Record<'image' | 'label', NamedTensor>> = {}) {
    const random = counterRandom('trace');
    const image = Float32Array.from({ length: 2 * 4 * 8 * 8 }, () => random.next() * 4 - 2);
    const label = Int32Array.from(image, () => random.below(3));
    await writeFile(
      folder.path(name),
      encodeSafetensors([
        over.image ?? { name: 'image', dtype: 'F32', shape: [2, 1, 4, 8, 8], data: image },
        over.label ?? { name: 'label', dtype: 'I32', shape: [2, 4, 8, 8], data: label },
      ]),
    );
  }

  const trace = (out: string, ...more: string[]) =>
    run(
      ...['trace', 'lv-net', '--weights', 'a.safetensors', '--batch', 'batch.safetensors', '--out', out],
      ...set(...small, 'loss.eta=[0.5, 0.25]'),
      ...more,
    );

  it('trace everything by its name, alike on both engines', async () => {
    await writeBatch('batch.safetensors');
    for (const engine of ['native', 'reference']) {
      const result = await trace(`${engine}.safetensors`, '--engine', engine, '--json');
      assert.equal(result.code, 0, result.stderr);
    }
    const [native, reference] = [
      await tensorsOf('native.safetensors'),
      await tensorsOf('reference.safetensors'),
    ];
    const weights = await tensorsOf('a.safetensors');
    const norms = [...weights.keys()]
      .filter((name) => name.endsWith('.running_mean'))
      .map((name) => name.slice(0, -13));
    const trained = [...weights.keys()].filter((name) => !/running_|num_batches/.test(name));
    const expected = [
      ...['logits.main', 'logits.1', 'logits.2', 'loss', 'loss.main', 'loss.1', 'loss.2'],
      ...trained.map((name) => `grad.${name}`),
      ...norms.flatMap((name) => [`stats.${name}.mean`, `stats.${name}.var`]),
    ];
    assert.deepEqual([...native.keys()], expected);
    assert.deepEqual([...reference.keys()], expected);
    assert.deepEqual(native.get('logits.main')?.shape, [2, 2, 4, 8, 8]);
    for (const name of trained) assert.deepEqual(native.get(`grad.${name}`)?.shape, weights.get(name)?.shape);
    for (const name of expected) {
      const [a, b] = [native, reference].map((set_) => float32Of(set_.get(name) ?? assert.fail(name)));
      const size = Math.max(1e-3, ...(b ?? []).map(Math.abs));
      // Sums of some hundred float32 products in another order: below 1e-4 of the largest.
      (a ?? []).forEach((value, i) => {
        assert.ok(Math.abs(value - (b?.[i] ?? 0)) <= 1e-4 * size, `${name}[${String(i)}]`);
      });
    }
    const value = (name: string) => float32Of(native.get(name) ?? assert.fail(name))[0] ?? 0;
    const total = value('loss.main') + 0.5 * value('loss.1') + 0.25 * value('loss.2');
    assert.ok(Math.abs(value('loss') - total) < 1e-6); // three float32 roundings of values near 1
  });

  it('refuse batches and weights that do not fit, and write nothing', async () => {
    const labels = (shape: number[]): NamedTensor => ({
      ...{ name: 'label', dtype: 'I32', shape },
      data: new Int32Array(shape.reduce((a, b) => a * b, 1)),
    });
    const wrong: [() => Promise<unknown>, string[], string, number][] = [
      [() => writeBatch('batch.safetensors', { label: labels([2, 4, 8, 4]) }), [], 'SHAPE_MISMATCH', 2],
      [() => writeBatch('batch.safetensors', { label: labels([2]) }), [], 'SHAPE_MISMATCH', 2],
      [() => writeFile(folder.path('batch.safetensors'), 'no tensors'), [], 'SAFETENSORS_INVALID', 1],
      [() => writeBatch('batch.safetensors'), ['--set', 'expansionRate=3'], 'WEIGHTS_MISMATCH', 2],
      [() => writeBatch('batch.safetensors'), ['--set', 'blocksPerStage=2'], 'WEIGHTS_MISMATCH', 2],
      [() => Promise.resolve(), ['--set', 'levels=2'], 'EXPERIMENT_CONTRADICTORY', 2],
      [() => Promise.resolve(), ['--set', 'levels=2', '--set', 'loss.eta=[1]'], 'WEIGHTS_MISMATCH', 2],
      [() => Promise.resolve(), ['--weights', 'none'], 'FILE_NOT_FOUND', 2],
    ];
    const before = await filesBelow(folder.path());
    for (const [prepare, more, code, exit] of wrong) {
      await prepare();
      const result = await trace('refused.safetensors', ...more, '--json');
      assert.equal(documentOf<ErrorDocument>(result).error.code, code, result.stdout);
      assert.equal(result.code, exit);
    }
    assert.deepEqual(await filesBelow(folder.path()), before);
  });

  it('refuse labels that are no class and voxels that are no number, with what and where', async () => {
    const shape = [2, 4, 8, 8];
    const label = (value: number): NamedTensor => ({
      ...{ name: 'label', dtype: 'I32', shape },
      data: new Int32Array(512).fill(value, 70),
    });
    const image = (value: number): NamedTensor => ({
      ...{ name: 'image', dtype: 'F32', shape: [2, 1, 4, 8, 8] },
      data: new Float32Array(512).fill(value, 70),
    });
    const three = ['--set', 'classes=3'];
    await run('init', 'lv-net', '--seed', '1', '--out', 'three.safetensors', ...set(...small, 'classes=3'));
    const wrong: [Parameters<typeof writeBatch>[1], string[], RegExp, RegExp][] = [
      [{ label: label(3) }, [], /label holds 3, the network has 2 classes/, /0 to 1, and 2 counts as 1/],
      [{ label: label(-1) }, [], /label holds -1, the network has 2 classes/, /0 to 1/],
      [
        { label: label(7) },
        [...three, '--weights', 'three.safetensors'],
        /holds 7, .* 3 classes/,
        /0 to 2\./,
      ],
      [{ image: image(Number.NaN) }, [], /image holds NaN at position 70/, /finite/],
      [{ image: image(-Infinity) }, [], /image holds -Infinity at position 70/, /finite/],
    ];
    for (const [over, more, message, hint] of wrong) {
      await writeBatch('batch.safetensors', over);
      const result = await trace('refused.safetensors', ...more, '--json');
      const { error } = documentOf<ErrorDocument>(result);
      assert.deepEqual([error.code, result.code], ['SHAPE_MISMATCH', 2], result.stdout);
      assert.match(error.message, message);
      assert.match(error.hint, hint);
    }
  });

  it('print the losses: the total, the result, the heads from coarse to fine', async () => {
    await writeBatch('batch.safetensors');
    const { stdout } = await trace('printed.safetensors');
    const names = [...stdout.matchAll(/^ +loss (\w+)/gm)].map(([, name]) => name);
    assert.deepEqual(names, ['total', 'main', '1', '2']);
  });
});
