import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadKernels, type Triple } from '@lvnet/kernels';
import { buildNetwork } from './index.js';
import { memoryOf } from './memory.js';
import type { MemoryUse } from './memory-use.fixture.js';

const fixture = fileURLToPath(new URL('memory-use.fixture.js', import.meta.url));

/** Large enough that the process itself is the smaller part. */
const uses: [network: Record<string, unknown>, size: Triple, samples: number][] = [
  [{ name: 'u-net', baseWidth: 32 }, [2, 256, 256], 1],
  [{ name: 'ce-net', baseWidth: 32 }, [4, 256, 256], 1],
  [{ name: '3d-u-net', baseWidth: 8, groups: 8 }, [16, 96, 96], 1],
  [{ name: 'v-net', baseWidth: 8 }, [16, 64, 64], 2],
  [{ name: 'lv-net' }, [16, 128, 128], 1],
  [{ name: 'lv-net', expansionRate: 2, baseWidth: 4 }, [16, 128, 128], 2],
];

async function peakOf(use: MemoryUse): Promise<number> {
  const o = { timeout: 150_000 };
  const { stdout } = await promisify(execFile)(process.execPath, [fixture, JSON.stringify(use)], o);
  return Number(stdout);
}

describe('the memory of a process', function () {
  this.timeout(160_000);
  before(function () {
    if (process.platform === 'linux' && loadKernels() !== undefined) return;
    if (process.env['CI'] !== undefined) throw new Error('CI needs the addon on Linux');
    process.stderr.write('      skipped: needs the addon on Linux\n');
    this.skip();
  });

  for (const [network, size, count] of uses)
    for (const mode of ['training', 'inference'] as const) {
      const samples = mode === 'training' ? count : 1;
      it(`${mode} of ${JSON.stringify(network)} at ${[samples, ...size].join('x')} is foretold within 10 %`, async () => {
        const { trainingBytes, inferenceBytes } = memoryOf(
          buildNetwork(network).config,
          size,
          samples,
        ).native;
        const foretold = mode === 'training' ? trainingBytes : inferenceBytes;
        const found = await peakOf({ network, size, samples, mode });
        const words = `${(foretold / 2 ** 20).toFixed(0)} MiB foretold, ${(found / 2 ** 20).toFixed(0)} MiB found`;
        assert.ok(Math.abs(foretold - found) <= 0.1 * found, words);
      });
    }
});
