import { createHash } from 'node:crypto';
import { convolve, denseShapes } from './dense.fixture.js';
import { emptyLike, irbStatistics, irbWeights, numbers, relativeError } from './kernels.fixture.js';
import type { IrbShape, KernelSet } from './kernel-set.js';
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

/** One block, forward, backward and inference. */
function blockResults(k: KernelSet, s: IrbShape): Record<string, Float32Array> {
  const length = s.n * s.d * s.h * s.w * s.c;
  const [x, dy, p] = [numbers(length, 1), numbers(length, 2), irbWeights(s, 3, true)];
  const [statistics, gradients] = [irbStatistics(s), emptyLike(p)];
  const saved = new Float32Array(k.irbSavedLength(s, {}));
  const [y, dx, inferred] = [new Float32Array(length), new Float32Array(length), new Float32Array(length)];
  const o = { epsilon: 1e-5, activation: 'elu' } as const;
  k.irbForward(s, x, p, o, y, statistics, saved);
  k.irbBackward(s, x, p, o, statistics, saved, dy, dx, gradients);
  k.irbInfer(s, x, p, o, statistics, inferred);
  const named: [string, Float32Array | null][] = Object.entries({ ...gradients, ...statistics });
  const present = named.flatMap(([name, values]) => (values === null ? [] : [[name, values] as const]));
  const all = Object.entries({ y, dx, inferred, ...Object.fromEntries(present) });
  return Object.fromEntries(all.map(([name, values]) => [`${String(s.d)} deep: ${name}`, values]));
}

/** Two blocks, one dense convolution and one up-sampling, forward and backward. */
function results(k: KernelSet): Record<string, Float32Array> {
  const s = { n: 1, d: 3, h: 9, w: 11, c: 8, expanded: 20, k: 5 };
  const deep = { n: 1, d: 18, h: 5, w: 9, c: 24, expanded: 40, k: 5 };
  const voxels = 297;
  const x = numbers(voxels * 8, 1);
  const [dense, filter] = [new Float32Array(voxels * 20), new Float32Array(20 * 8 * 27)];
  const conv = { ...s, ci: 8, co: 20, k: 3 };
  k.conv3dForward(conv, x, numbers(filter.length, 4), numbers(20, 5), dense);
  k.conv3dBackwardFilter(conv, x, dense, filter, null);
  const [raised, lowered] = [new Float32Array(voxels * 64), new Float32Array(voxels * 8)];
  k.upsampleForward(s, 2, x, null, raised);
  k.upsampleBackward(s, 2, raised, lowered);
  const onto = new Float32Array(raised.length);
  k.upsampleForward(s, 2, x, raised, onto);
  const finished = new Float32Array(dense.length);
  k.conv3dInfer(conv, x, numbers(filter.length, 4), numbers(20, 5), 'elu', finished);
  return { ...blockResults(k, s), ...blockResults(k, deep), dense, filter, finished, raised, lowered, onto };
}

/** ELU of all magnitudes against float64: the largest error, absolute, and what becomes of special values. */
function eluResults(k: KernelSet) {
  const falling = Array.from({ length: 40_000 }, (_, i) => -200 * 1.0007 ** -i); // to -1.4e-10
  const special = [-Infinity, -3e38, -87.5, -1e-40, -0, 0, 1e-40, 0.7, 3e38, Infinity, Number.NaN];
  const x = Float32Array.from([...falling, ...special]);
  const y = new Float32Array(x.length);
  const identity = { n: 1, d: 1, h: 1, w: x.length, ci: 1, co: 1, k: 1 };
  k.conv3dInfer(identity, x, Float32Array.of(1), null, 'elu', y);
  const error = falling.reduce((most, _, i) => {
    const off = Math.abs((y[i] ?? Number.NaN) - Math.expm1(x[i] ?? 0));
    return off <= most ? most : off;
  }, 0);
  return { error, special: Array.from(y.subarray(falling.length), String) };
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
const elu = eluResults(kernels);
hash.update(JSON.stringify(elu));
const { instructionSet } = kernels;
process.stdout.write(JSON.stringify({ instructionSet, errors, elu, hash: hash.digest('hex') }));
