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

interface Case {
  network: Record<string, unknown>;
  samples: number;
  training: Triple;
  inference: Triple;
}

/** Large enough that Node, whose own share moves by 10 MiB, is the smaller part. */
const native: Case[] = [
  both({ name: 'u-net', baseWidth: 32 }, [2, 256, 256]),
  both({ name: 'ce-net', baseWidth: 32 }, [4, 256, 256]),
  both({ name: '3d-u-net', baseWidth: 8, groups: 8 }, [16, 96, 96]),
  { ...both({ name: 'v-net', baseWidth: 8 }, [16, 64, 64]), samples: 2 },
  { ...both({ name: 'lv-net' }, [16, 128, 128]), inference: [16, 256, 256] },
  {
    ...both({ name: 'lv-net', expansionRate: 2, baseWidth: 4 }, [16, 128, 128]),
    samples: 2,
    inference: [16, 256, 256],
  },
];

async function peakOf(use: MemoryUse): Promise<number> {
  const o = { timeout: 150_000 };
  const { stdout } = await promisify(execFile)(process.execPath, [fixture, JSON.stringify(use)], o);
  return Number(stdout);
}

/** Smaller, because its build for processors is slow. */
const onTensorFlow: Case[] = [
  both({ name: 'u-net', baseWidth: 32 }, [2, 256, 256]),
  both({ name: 'ce-net', baseWidth: 32 }, [4, 256, 256]),
  both({ name: '3d-u-net', baseWidth: 8, groups: 8 }, [16, 64, 64]),
  both({ name: 'v-net', baseWidth: 8 }, [16, 64, 64]),
  both({ name: 'lv-net' }, [16, 64, 64]),
];

function both(network: Record<string, unknown>, size: Triple): Case {
  return { network, samples: 1, training: size, inference: size };
}

describe('the memory of a process', function () {
  this.timeout(160_000);
  for (const kind of deviceKinds)
    for (const { network, ...use } of kind === 'native' ? native : onTensorFlow)
      for (const mode of ['training', 'inference'] as const) {
        const samples = mode === 'training' ? use.samples : 1;
        const size = use[mode];
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
