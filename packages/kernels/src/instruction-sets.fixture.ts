import { createHash } from 'node:crypto';
import { emptyLike, irbStatistics, irbWeights, numbers, relativeError } from './kernels.fixture.js';
import type { KernelSet } from './kernel-set.js';
import { loadKernels } from './native.js';
import { referenceKernels } from './reference/index.js';

const kernels = loadKernels();
if (kernels === undefined) throw new Error('the addon is not built');

/** One block, one dense convolution, one up-sampling and one loss, forward and backward. */
function results(k: KernelSet): Record<string, Float32Array> {
  const s = { n: 1, d: 3, h: 9, w: 11, c: 8, expanded: 20, k: 5 };
  const voxels = 297;
  const [x, dy, p] = [numbers(voxels * 8, 1), numbers(voxels * 8, 2), irbWeights(s, 3, true)];
  const [statistics, gradients] = [irbStatistics(s), emptyLike(p)];
  const saved = new Float32Array(k.irbSavedLength(s));
  const [y, dx, dense, filter] = [x.length, x.length, voxels * 20, 20 * 8 * 27].map(
    (length) => new Float32Array(length),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const o = { epsilon: 1e-5, activation: 'elu' } as const;
  k.irbForward(s, x, p, o, y, statistics, saved);
  k.irbBackward(s, x, p, o, statistics, saved, dy, dx, gradients);
  const conv = { ...s, ci: 8, co: 20, k: 3 };
  k.conv3dForward(conv, x, numbers(filter.length, 4), numbers(20, 5), dense);
  k.conv3dBackwardFilter(conv, x, dense, filter, null);
  const [raised, lowered] = [new Float32Array(voxels * 64), new Float32Array(voxels * 8)];
  k.upsampleForward(s, 2, x, raised);
  k.upsampleBackward(s, 2, raised, lowered);
  const named: [string, Float32Array | null][] = Object.entries({ ...gradients, ...statistics });
  const present = named.flatMap(([name, values]) => (values === null ? [] : [[name, values] as const]));
  return { y, dx, dense, filter, raised, lowered, ...Object.fromEntries(present) };
}

kernels.setThreads(2);
const [ours, theirs] = [results(kernels), results(referenceKernels)];
const hash = createHash('sha256');
const errors = Object.fromEntries(
  Object.entries(ours).map(([name, values]) => {
    hash.update(new Uint8Array(values.buffer));
    return [name, relativeError(values, theirs[name] ?? [])];
  }),
);
const { instructionSet } = kernels;
process.stdout.write(JSON.stringify({ instructionSet, errors, hash: hash.digest('hex') }));
