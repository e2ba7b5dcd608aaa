import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { isTensorFlowInstalled } from '@lvnet/engine';
import { loadKernels, type Triple } from '@lvnet/kernels';
import { buildNetwork } from './index.js';
import { deviceKinds, memoryOf, type DeviceKind } from './memory.js';
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

/** Smaller, because its build for processors is slow. */
const onTensorFlow: typeof uses = [
  [{ name: 'u-net', baseWidth: 32 }, [2, 256, 256], 1],
  [{ name: 'ce-net', baseWidth: 32 }, [4, 256, 256], 1],
  [{ name: '3d-u-net', baseWidth: 8, groups: 8 }, [16, 64, 64], 1],
  [{ name: 'v-net', baseWidth: 8 }, [16, 64, 64], 1],
  [{ name: 'lv-net' }, [16, 64, 64], 1],
];

describe('the memory of a process', function () {
  this.timeout(160_000);
  for (const kind of deviceKinds)
    for (const [network, size, count] of kind === 'native' ? uses : onTensorFlow)
      for (const mode of ['training', 'inference'] as const) {
        const samples = mode === 'training' ? count : 1;
        it(`${kind}: ${mode} of ${JSON.stringify(network)} at ${[samples, ...size].join('x')} is foretold within 10 %`, async function () {
          skipWithout(kind, this);
          const { trainingBytes, inferenceBytes } = memoryOf(buildNetwork(network).config, size, samples)[
            kind
          ];
          const foretold = mode === 'training' ? trainingBytes : inferenceBytes;
          const found = await peakOf({ network, size, samples, mode, engine: kind });
          const words = `${(foretold / 2 ** 20).toFixed(0)} MiB foretold, ${(found / 2 ** 20).toFixed(0)} MiB found`;
          assert.ok(Math.abs(foretold - found) <= 0.1 * found, words);
        });
      }
});

function skipWithout(kind: DeviceKind, test: Mocha.Context): void {
  const isThere = kind === 'native' ? loadKernels() !== undefined : isTensorFlowInstalled();
  if (process.platform === 'linux' && isThere) return;
  if (process.env['CI'] !== undefined) throw new Error(`CI needs the ${kind} engine on Linux`);
  process.stderr.write(`      skipped: needs the ${kind} engine on Linux\n`);
  test.skip();
}
