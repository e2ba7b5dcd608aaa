import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { counterRandom } from '@lvnet/core';
import type { NetworkName } from '@lvnet/networks';
import { decodeSafetensors, encodeSafetensors, float32Of, type NamedTensor } from '@lvnet/safetensors';
import { cliFolder, documentOf, runCli, type ErrorDocument } from './cli.fixture.js';

type Tensors = Map<string, NamedTensor>;

/** Narrow ones of each, on sizes that leave each batch norm several values. */
const networks: Record<NetworkName, { set: string[]; size: [number, number, number] }> = {
  'u-net': { set: ['baseWidth=3'], size: [3, 32, 48] },
  'ce-net': { set: ['baseWidth=4'], size: [2, 192, 192] },
  '3d-u-net': { set: ['baseWidth=4', 'groups=2'], size: [3, 10, 13] },
  'v-net': { set: ['baseWidth=2'], size: [16, 32, 32] },
  'lv-net': {
    set: ['baseWidth=2', 'levels=3', 'blocksPerStage=1', 'loss.eta=[0.5, 0.25]'],
    size: [4, 16, 8],
  },
};
const samples = 2;

describe('lvnet trace of each network', function () {
  this.timeout(120_000);
  const folder = cliFolder();
  const run = (...args: string[]) => runCli(args, folder.options());
  const file = (name: NetworkName, what: string) => `${name}-${what}.safetensors`;
  const tensorsOf = async (name: string): Promise<Tensors> =>
    decodeSafetensors(await readFile(folder.path(name))).tensors;

  async function initialise(name: NetworkName): Promise<Tensors> {
    const set = networks[name].set
      .filter((item) => !item.startsWith('loss'))
      .flatMap((item) => ['--set', item]);
    const made = await run('init', name, '--seed', '3', '--out', file(name, 'weights'), ...set);
    assert.equal(made.code, 0, made.stderr);
    return tensorsOf(file(name, 'weights'));
  }

  /** The same voxels, [n, 1, d, h, w] whatever n and d. */
  async function writeBatch(path: string, n: number, d: number, h: number, w: number): Promise<void> {
    const random = counterRandom('each network');
    const data = Float32Array.from({ length: n * d * h * w }, () => random.next() * 4 - 2);
    const label = Int32Array.from(data, (value) => (value > 0.5 ? 1 + random.below(2) : 0));
    await writeFile(
      folder.path(path),
      encodeSafetensors([
        { name: 'image', dtype: 'F32', shape: [n, 1, d, h, w], data },
        { name: 'label', dtype: 'I32', shape: [n, d, h, w], data: label },
      ]),
    );
  }

  async function trace(name: NetworkName, batch: string, engine: string, out: string): Promise<Tensors> {
    const set = networks[name].set.flatMap((item) => ['--set', item]);
    const args = ['--weights', file(name, 'weights'), '--batch', batch, '--engine', engine, '--out', out];
    const result = await run('trace', name, ...args, ...set);
    assert.equal(result.code, 0, result.stderr);
    return tensorsOf(out);
  }

  function expectedNames(weights: Tensors, heads: readonly string[]): string[] {
    const names = [...weights.keys()];
    const norms = names.filter((name) => name.endsWith('.running_mean')).map((name) => name.slice(0, -13));
    return [
      ...heads.map((head) => `logits.${head}`),
      ...['loss', ...heads.map((head) => `loss.${head}`)],
      ...names.filter((name) => !/running_|num_batches/.test(name)).map((name) => `grad.${name}`),
      ...norms.flatMap((name) => [`stats.${name}.mean`, `stats.${name}.var`]),
    ];
  }

  for (const [name, { size }] of Object.entries(networks) as [NetworkName, (typeof networks)['u-net']][]) {
    it(`${name}: all names and shapes, alike on both engines`, async () => {
      const weights = await initialise(name);
      await writeBatch(file(name, 'batch'), samples, ...size);
      const [native, reference] = [
        await trace(name, file(name, 'batch'), 'native', file(name, 'native')),
        await trace(name, file(name, 'batch'), 'reference', file(name, 'reference')),
      ];
      const heads = name === 'lv-net' ? ['main', '1', '2'] : ['main'];
      assert.deepEqual([...native.keys()], expectedNames(weights, heads));
      assert.deepEqual([...reference.keys()], [...native.keys()]);
      for (const head of heads) {
        assert.deepEqual(native.get(`logits.${head}`)?.shape, [samples, 2, ...size], 'two classes');
      }
      for (const [key, tensor] of native) {
        const parameter = /^grad\.(.*)$/.exec(key)?.[1];
        if (parameter !== undefined) assert.deepEqual(tensor.shape, weights.get(parameter)?.shape, key);
        assertAlike(key, float32Of(tensor), reference);
      }
    });
  }

  for (const name of ['u-net', 'ce-net'] as const) {
    it(`${name} takes N x D slices as one batch, whatever N and D`, async () => {
      const [d, h, w] = networks[name].size;
      await writeBatch(file(name, 'slices'), samples * d, 1, h, w);
      const volumes = await trace(name, file(name, 'batch'), 'native', file(name, 'again'));
      const slices = await trace(name, file(name, 'slices'), 'native', file(name, 'sliced'));
      for (const [key, tensor] of volumes) {
        if (key === 'logits.main') continue; // its axes come in another order
        assert.deepEqual(slices.get(key)?.data, tensor.data, key);
      }
      const [a, b] = [volumes, slices].map((found) => float32Of(found.get('logits.main') ?? assert.fail()));
      const area = h * w;
      for (let slice = 0; slice < samples * d; slice++) {
        for (const c of [0, 1]) {
          const from = ((Math.floor(slice / d) * 2 + c) * d + (slice % d)) * area;
          const other = (slice * 2 + c) * area;
          assert.deepEqual(a?.subarray(from, from + area), b?.subarray(other, other + area));
        }
      }
    });
  }

  it('refuses weights of another network and such that hold NaN, with the name, and writes nothing', async () => {
    const args = ['--batch', file('v-net', 'batch'), '--out', 'refused.safetensors', '--json'];
    const set = ['--set', 'baseWidth=2'];
    const other = await run('trace', 'v-net', '--weights', file('u-net', 'weights'), ...args, ...set);
    const { error } = documentOf<ErrorDocument>(other);
    assert.deepEqual([error.code, other.code], ['WEIGHTS_MISMATCH', 2]);
    assert.match(
      error.message,
      /holds inc\.conv1\.weight, which this v-net has not and lacks in\.0\.conv\.weight\./,
    );

    const spoiled = [...(await tensorsOf(file('v-net', 'weights'))).values()].map((tensor) =>
      tensor.name === 'down2.prelu.weight' ? { ...tensor, data: Float32Array.of(Number.NaN) } : tensor,
    );
    await writeFile(folder.path('spoiled.safetensors'), encodeSafetensors(spoiled));
    const bad = await run('trace', 'v-net', '--weights', 'spoiled.safetensors', ...args, ...set);
    const { error: found } = documentOf<ErrorDocument>(bad);
    assert.deepEqual([found.code, bad.code], ['WEIGHTS_INVALID', 2]);
    assert.match(found.message, /down2\.prelu\.weight holds NaN at position 0/);
    await assert.rejects(readFile(folder.path('refused.safetensors')), { code: 'ENOENT' });
  });

  it('refuses sizes that do not divide', async () => {
    await writeBatch('odd.safetensors', 1, 16, 24, 32);
    const set = networks['v-net'].set.flatMap((item) => ['--set', item]);
    const args = [
      '--weights',
      file('v-net', 'weights'),
      '--batch',
      'odd.safetensors',
      '--out',
      'o',
      '--json',
    ];
    const result = await run('trace', 'v-net', ...args, ...set);
    const { error } = documentOf<ErrorDocument>(result);
    assert.deepEqual([error.code, result.code], ['SHAPE_MISMATCH', 2]);
    assert.match(error.message, /16x24x32 does not fit: every size must divide by 16/);
  });
});

/**
 * Within 1e-3 of the largest magnitude, the bound that engines are held to; most are a thousand times nearer.
 * Gradients of biases before a norm are zero in theory: what the roundings of 10^5 terms leave is below 1e-5.
 * So is that of a norm's only weight before a rectifier, a convolution and another norm, which undoes any
 * scale: its bias, whose terms are as large and do not cancel, tells how large its roundings may be.
 */
function assertAlike(name: string, a: Float32Array, reference: Tensors): void {
  const magnitudeOf = (of: string) => {
    const tensor = reference.get(of);
    return tensor === undefined ? 0 : largest(float32Of(tensor));
  };
  const b = float32Of(reference.get(name) ?? assert.fail(name));
  const onlyWeight = a.length === 1 && /\.bn\d*\.weight$/.test(name);
  const size = Math.max(largest(b), onlyWeight ? magnitudeOf(name.replace(/weight$/, 'bias')) : 0);
  const bound = name.endsWith('.bias') && size < 1e-5 ? 1e-5 : 1e-3 * size;
  a.forEach((value, i) => {
    assert.ok(Math.abs(value - (b[i] ?? Number.NaN)) <= bound, `${name}[${String(i)}]`);
  });
}

const largest = (values: Float32Array): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
