import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { loadKernels } from '@lvnet/kernels';
import { bothEngines } from './engines.fixture.js';
import { buildNetwork, shardGradient } from './index.js';
import { exampleOf, trainedLike } from './networks.fixture.js';
import type { Outcome } from './out-of-memory.fixture.js';

const fixture = fileURLToPath(new URL('out-of-memory.fixture.js', import.meta.url));

/** A process whose private memory may not grow beyond 450 MiB, of which Node takes about 100. */
async function outcomeWithLittleMemory(): Promise<Outcome> {
  const limited = `ulimit -d ${String(450 * 1024)} && exec "$0" "$1"`;
  const { stdout } = await promisify(execFile)('sh', ['-c', limited, process.execPath, fixture], {
    timeout: 120_000,
  });
  return JSON.parse(stdout) as Outcome;
}

/** Node offers this only behind a flag, which may be set at any time. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
}

describe('memory of training steps', function () {
  this.timeout(180_000);

  it('that is not there is a failure with the bytes asked for, and the process goes on', async function () {
    if (process.platform !== 'linux' || loadKernels() === undefined) {
      if (process.env['CI'] !== undefined) throw new Error('CI needs the addon on Linux');
      process.stderr.write('      skipped: needs the addon on Linux\n');
      this.skip();
    }
    const { code, bytes, message, tensorsLeft, sameAfter } = await outcomeWithLittleMemory();
    assert.equal(code, 'OUT_OF_MEMORY');
    // Every array of that step that does not fit has at least a channel for each of its 4 Mi voxels.
    assert.ok(bytes >= 4 * 16 * 512 * 512, `${String(bytes)} bytes`);
    assert.match(message, new RegExp(`${String(Math.ceil(bytes / 2 ** 20))} MiB`));
    assert.equal(tensorsLeft, 0);
    assert.ok(sameAfter, 'the small step gave other losses after the failure');
  });

  describe('over a thousand of them', () => {
    const engines = bothEngines();

    it('does not grow', async () => {
      const { native } = engines;
      const network = buildNetwork({ baseWidth: 4, levels: 2, blocksPerStage: 1, kernel: 3 });
      const weights = trainedLike(network);
      const size = [4, 32, 32] as const; // its tensors are large enough for the pool
      const { image, label } = exampleOf([1, ...size], 2);
      const o = { shape: [1, ...size], eta: [0.4], order: 'coarse-to-fine' } as const;
      const held: { tensorCount: number; bytes: number; rss: number }[] = [];
      for (let part = 0; part < 10; part++) {
        for (let i = 0; i < 200; i++) shardGradient(native, network, weights, image, label, o);
        collectGarbage();
        await new Promise((resolve) => setImmediate(resolve)); // finalizers run between two turns
        const { tensorCount, bytes } = native.memory();
        held.push({ tensorCount, bytes, rss: process.memoryUsage.rss() });
      }
      const first = held[0] ?? assert.fail();
      for (const { tensorCount, bytes } of held)
        assert.deepEqual([tensorCount, bytes], [first.tensorCount, first.bytes]);
      // Node's own heap comes and goes by tens of MiB: the least of several looks tells what stays. Between these
      // lie 1,200 steps, in which one tensor of 64 KiB left behind by each would come to 75 MiB.
      const least = (from: number) => Math.min(...held.slice(from, from + 4).map(({ rss }) => rss));
      const grown = least(6) - least(0);
      assert.ok(grown < 32 * 2 ** 20, `${String(grown >> 20)} MiB more after 1,200 steps`);
    });
  });
});
