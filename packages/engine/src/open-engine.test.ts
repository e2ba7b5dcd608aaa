import assert from 'node:assert/strict';
import { bothEngines } from './engine.fixture.js';
import { addTensors, openEngine, tf } from './index.js';

describe('openEngine', () => {
  const engines = bothEngines();

  it('says what it opened', () => {
    const { native, reference } = engines;
    assert.deepEqual([native.kind, native.kernels.name, native.threads], ['native', 'native', 2]);
    assert.match(native.instructionSet, /^(avx512|avx2|baseline)$/);
    assert.deepEqual(
      [reference.kind, reference.kernels.name, reference.threads],
      ['reference', 'reference', 1],
    );
  });

  it('opens the same engine twice', async () => {
    const again = await openEngine({ kind: 'native', threads: 1 });
    assert.equal(again.threads, 1);
    again.setThreads(3);
    assert.equal(again.threads, 3);
  });

  it('says which engines there are not', async () => {
    const before = process.env['LVNET_TENSORFLOW'];
    process.env['LVNET_TENSORFLOW'] = '/nowhere';
    try {
      await assert.rejects(openEngine({ kind: 'tensorflow' }), {
        code: 'ENGINE_UNAVAILABLE',
        message: 'The tensorflow engine is not set up.',
        hint: /npx lvnet setup tensorflow .*--cuda.*--engine native/,
      });
    } finally {
      if (before === undefined) delete process.env['LVNET_TENSORFLOW'];
      else process.env['LVNET_TENSORFLOW'] = before;
    }
  });

  it('says which devices there are not', async () => {
    for (const kind of ['native', 'reference'] as const) {
      await assert.rejects(openEngine({ kind, device: 1 }), {
        code: 'DEVICE_UNAVAILABLE',
        message: /no device 1/,
        hint: /--device/,
      });
    }
  });

  it('counts the tensors there are', () => {
    engines.native.activate();
    const before = engines.native.memory();
    const x = tf.zeros([5]);
    assert.deepEqual(engines.native.memory(), {
      tensorCount: before.tensorCount + 1,
      bytes: before.bytes + 20,
    });
    x.dispose();
    assert.deepEqual(engines.native.memory(), before);
  });

  it('takes tensors along from one engine to another', () => {
    engines.native.activate();
    const x = tf.tensor([1, 2]);
    const twice = addTensors(x, x);
    engines.reference.activate();
    const four = addTensors(twice, twice);
    assert.deepEqual([...four.dataSync()], [4, 8]);
    assert.deepEqual([...twice.dataSync()], [2, 4]);
    tf.dispose([x, twice, four]);
  });
});
