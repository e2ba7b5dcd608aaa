import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { counterRandom } from '@lvnet/core';
import { isTensorFlowInstalled } from '@lvnet/engine';
import { decodeSafetensors, encodeSafetensors, float32Of } from '@lvnet/safetensors';
import { cliFolder, documentOf, runCli, type ErrorDocument } from './cli.fixture.js';

const set = ['baseWidth=2', 'levels=3', 'blocksPerStage=1'].flatMap((item) => ['--set', item]);
const traceOf = (out: string) => [
  ...['trace', 'lv-net', '--weights', 'weights.safetensors', '--batch', 'batch.safetensors'],
  ...['--out', out, '--engine', 'tensorflow', '--set', 'loss.eta=[0.5, 0.25]', ...set],
];

describe('the tensorflow engine where it is not set up', function () {
  this.timeout(60_000);
  const folder = cliFolder();
  const nowhere = () => {
    const { cwd, env } = folder.options();
    return { ...(cwd === undefined ? {} : { cwd }), env: { ...env, LVNET_TENSORFLOW: folder.path('none') } };
  };

  before(async () => {
    const made = await runCli(
      ['init', 'lv-net', '--seed', '3', '--out', 'weights.safetensors', ...set],
      folder.options(),
    );
    assert.equal(made.code, 0, made.stderr);
    await writeFile(folder.path('batch.safetensors'), batch());
  });

  it('says how to set it up, exit code 2', async () => {
    const result = await runCli([...traceOf('out.safetensors'), '--json'], nowhere());
    const { error } = documentOf<ErrorDocument>(result);
    assert.deepEqual([error.code, result.code], ['ENGINE_UNAVAILABLE', 2]);
    assert.equal(error.message, 'The tensorflow engine is not set up.');
    assert.match(error.hint, /npx lvnet setup tensorflow/);
  });

  const wrong: [string[], RegExp][] = [
    [['redis', '--cuda'], /--cuda and --version belong to tensorflow/],
    [['tensorflow', '--version', '2.9'], /2\.9 is no version of TensorFlow 2/],
  ];
  for (const [args, message] of wrong) {
    it(`refuses setup ${args.join(' ')}`, async () => {
      const result = await runCli(['setup', ...args, '--json'], folder.options());
      const { error } = documentOf<ErrorDocument>(result);
      assert.deepEqual([error.code, result.code], ['ARGUMENT_INVALID', 2]);
      assert.match(error.message, message);
    });
  }
});

describe('the tensorflow engine', function () {
  this.timeout(60_000);
  const folder = cliFolder();
  const run = (...args: string[]) => runCli(args, folder.options());

  before(function () {
    if (isTensorFlowInstalled()) return;
    if (process.env['CI'] !== undefined) throw new Error('CI needs TensorFlow');
    process.stderr.write('      skipped: no TensorFlow (npx lvnet setup tensorflow)\n');
    this.skip();
  });

  it('is set up once', async () => {
    const result = await run('setup', 'tensorflow', '--json');
    const { part, installed } = documentOf<{ part: string; installed: string }>(result);
    assert.deepEqual([result.code, part, result.stderr], [0, 'tensorflow', '']);
    assert.match(installed, /^TensorFlow 2\.\d+\.\d+, CPU, in /);
  });

  it('traces a pass as the native engine does', async () => {
    const made = await run('init', 'lv-net', '--seed', '3', '--out', 'weights.safetensors', ...set);
    assert.equal(made.code, 0, made.stderr);
    await writeFile(folder.path('batch.safetensors'), batch());
    for (const engine of ['native', 'tensorflow']) {
      const args = traceOf(`${engine}.safetensors`).map((word) => (word === 'tensorflow' ? engine : word));
      const result = await run(...args, '--json');
      assert.equal(result.code, 0, result.stderr);
      assert.equal(documentOf<{ engine: string }>(result).engine, engine);
    }
    const [native, found] = await Promise.all(
      ['native', 'tensorflow'].map(async (name) => {
        const file = await readFile(folder.path(`${name}.safetensors`));
        return decodeSafetensors(file).tensors;
      }),
    );
    assert.ok(native !== undefined && found !== undefined);
    assert.deepEqual([...found.keys()], [...native.keys()]);
    const gradients = [...native].filter(([name]) => name.startsWith('grad.'));
    const largestGradient = Math.max(...gradients.map(([, tensor]) => largestOf(float32Of(tensor))));
    for (const [name, tensor] of native) {
      const expected = float32Of(tensor);
      const own = largestOf(expected);
      // What a batch norm takes out again has a gradient of zero but for rounding.
      const isZero = name.startsWith('grad.') && own < 1e-6 * largestGradient;
      const largest = isZero ? largestGradient : own;
      float32Of(found.get(name) ?? assert.fail(name)).forEach((value, i) => {
        const off = Math.abs(value - (expected[i] ?? Number.NaN));
        assert.ok(
          off <= 1e-4 * largest,
          `${name}[${String(i)}] is off by ${String(off)} of ${String(largest)}`,
        );
      });
    }
  });

  it('times the operations of a step, whose loss is that of the native engine', async () => {
    const small = ['--set', 'baseWidth=2', '--set', 'levels=3', '--input', '8,8,8', '--rounds', '1'];
    const [found, native] = await Promise.all(
      ['tensorflow', 'native'].map(async (engine) => {
        const result = await run('bench', ...small, '--engine', engine, '--svg', `${engine}.svg`, '--json');
        assert.equal(result.code, 0, result.stderr);
        return documentOf<Bench>(result);
      }),
    );
    assert.ok(found !== undefined && native !== undefined);
    assert.equal(found.engine, 'tensorflow');
    const callsOf = ({ operations }: Bench) => operations.map(({ name, calls }) => [name, calls]).sort();
    assert.deepEqual(callsOf(found), callsOf(native));
    assert.ok(Math.abs(found.loss - native.loss) < 1e-4 * native.loss, String([found.loss, native.loss]));
  });
});

interface Bench {
  engine: string;
  loss: number;
  operations: { name: string; calls: number }[];
}

const largestOf = (values: Float32Array): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

function batch(): Uint8Array {
  const random = counterRandom('tensorflow trace');
  const data = Float32Array.from({ length: 2 * 4 * 8 * 8 }, () => random.next() * 4 - 2);
  const label = Int32Array.from(data, () => random.below(3));
  return encodeSafetensors([
    { name: 'image', dtype: 'F32', shape: [2, 1, 4, 8, 8], data },
    { name: 'label', dtype: 'I32', shape: [2, 4, 8, 8], data: label },
  ]);
}
