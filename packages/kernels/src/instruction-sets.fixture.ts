import { createHash } from 'node:crypto';
import { convolve, denseShapes } from './dense.fixture.js';
import { emptyLike, irbStatistics, irbWeights, numbers, relativeError } from './kernels.fixture.js';
import type { KernelSet } from './kernel-set.js';
import { loadKernels } from './native.js';
import { referenceKernels } from './reference/index.js';

const kernels = loadKernels();
if (kernels === undefined) throw new Error('the addon is not built');

/** Every dense convolution, and an element or two of the other kernels of the dense networks. */
function denseResults(k: KernelSet): Record<string, Float32Array> {
  const found = Object.entries(denseShapes).flatMap(([title, s]) =>
    Object.entries(convolve(k, s)).map(([name, values]) => [`${title}: ${name}`, values] as const),
  );
  const s = { n: 2, voxels: 50, c: 24, groups: 8 };
  const p = { gamma: numbers(24, 1), beta: numbers(24, 2), epsilon: 1e-5, rectified: true };
  const [x, dy] = [numbers(2_400, 3), numbers(2_400, 4)];
  const [mean, variance, y, dx] = [16, 16, 2_400, 2_400].map((length) => new Float32Array(length)) as Four;
  const [dgamma, dbeta, resized, leaky] = [24, 24, 16_200, 2_400].map(
    (length) => new Float32Array(length),
  ) as Four;
  k.groupNormForward(s, x, p, mean, variance, y);
  k.groupNormBackward(s, x, p, mean, variance, dy, dx, dgamma, dbeta);
  k.resizeForward({ n: 1, d: 2, h: 10, w: 5, c: 24, to: [3, 15, 15] }, 'corners', x, resized);
  const slope = Float32Array.of(k.preluBackward(x, 0.25, dy, leaky));
  return {
    ...Object.fromEntries(found),
    mean,
    variance,
    groups: y,
    dx,
    dgamma,
    dbeta,
    resized,
    leaky,
    slope,
  };
}

type Four = [Float32Array, Float32Array, Float32Array, Float32Array];

/** One block, one dense convolution, one up-sampling and one loss, forward and backward. */
function results(k: KernelSet): Record<string, Float32Array> {
  const s = { n: 1, d: 3, h: 9, w: 11, c: 8, expanded: 20, k: 5 };
  const voxels = 297;
  const [x, dy, p] = [numbers(voxels * 8, 1), numbers(voxels * 8, 2), irbWeights(s, 3, true)];
  const [statistics, gradients] = [irbStatistics(s), emptyLike(p)];
  const saved = new Float32Array(k.irbSavedLength(s, {}));
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
const all = (k: KernelSet) => ({ ...results(k), ...denseResults(k) });
const [ours, theirs] = [all(kernels), all(referenceKernels)];
const hash = createHash('sha256');
const errors = Object.fromEntries(
  Object.entries(ours).map(([name, values]) => {
    hash.update(new Uint8Array(values.buffer));
    return [name, relativeError(values, theirs[name] ?? [])];
  }),
);
const { instructionSet } = kernels;
process.stdout.write(JSON.stringify({ instructionSet, errors, hash: hash.digest('hex') }));
