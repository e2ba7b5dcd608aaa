import assert from 'node:assert/strict';
import { parseExperiment } from '@lvnet/experiments';
import { memoryOf } from '@lvnet/networks';
import { checkFit } from './fit.js';

const experimentOf = (batch: number, shards: number) =>
  parseExperiment(
    JSON.stringify({ data: { root: '.' }, training: { batch, shards }, network: { name: 'lv-net' } }),
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
      { hint: /^What would fit: 1 samples a shard .*data\.patch \[16, 256, 256\]/ },
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
