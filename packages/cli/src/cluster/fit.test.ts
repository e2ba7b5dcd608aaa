import assert from 'node:assert/strict';
import { parseExperiment } from '@lvnet/experiments';
import { memoryOf } from '@lvnet/networks/description';
import { checkFit } from './fit.js';

const experimentOf = (batch: number, shards: number, engine = 'auto', patch = [16, 256, 256]) =>
  parseExperiment(
    JSON.stringify({
      ...{ data: { root: '.', patch }, training: { batch, shards }, network: { name: 'lv-net' } },
      workers: { engine },
    }),
  );

describe('whether an experiment fits', () => {
  const one = experimentOf(4, 4);
  const bytes = memoryOf(one.network, one.data.patch, 1).native.trainingBytes;

  it('is judged to the byte, by the samples of one shard', () => {
    checkFit(one, bytes);
    assert.throws(
      () => {
        checkFit(one, bytes - 1);
      },
      { code: 'MEMORY_TOO_SMALL', message: /lv-net takes .*, there are / },
    );
    assert.throws(
      () => {
        checkFit(experimentOf(4, 2), bytes);
      },
      { hint: /^What would fit: 1 sample a shard .*data\.patch \[16, 256, 256\]/ },
    );
  });

  it('depends on the engine that is asked for', () => {
    const other = experimentOf(4, 4, 'tensorflow');
    const more = memoryOf(one.network, one.data.patch, 1).tensorflow.trainingBytes;
    assert.ok(more > bytes);
    checkFit(other, more);
    assert.throws(
      () => {
        checkFit(other, more - 1);
      },
      { code: 'MEMORY_TOO_SMALL' },
    );
  });

  it('names nothing whose batch norms would see a single value', () => {
    const bytesOf = (edge: number, samples: number) =>
      memoryOf(one.network, [16, edge, edge], samples).native.trainingBytes;
    const available = bytesOf(32, 1) - 1;
    assert.ok(bytesOf(16, 1) < available);
    assert.throws(
      () => {
        checkFit(one, available);
      },
      { hint: /^What would fit: no patch/ },
    );
    const small = experimentOf(4, 2, 'auto', [16, 16, 16]);
    assert.throws(
      () => {
        checkFit(small, bytesOf(16, 2) - 1);
      },
      { hint: /^What would fit: no patch/ },
    );
  });

  it('names no patch where not even the smallest fits', () => {
    assert.throws(
      () => {
        checkFit(one, 1_000);
      },
      { hint: /^What would fit: no patch/ },
    );
  });
});
