// Times the native kernels of one LV-Net training step at [1, 16, size, size] and prints GFLOP/s against the
// measured peak. Each answer is checked against the plain loops, on a small shape, before it is timed.
//   node packages/kernels/bench/kernels.mjs [size=128] [threads=2] [rounds=5]
import { loadKernels, referenceKernels } from '../dist/index.js';
import { emptyLike, irbStatistics, irbWeights, numbers, relativeError } from '../dist/kernels.fixture.js';

const [size = 128, threads = 2, rounds = 5] = process.argv.slice(2).map(Number);
const native = loadKernels();
if (native === undefined) throw new Error('build the addon first: node infra/build-addon.mjs');
native.setThreads(threads);
const options = { epsilon: 1e-5, activation: 'elu' };
const voxels = (s) => s.n * s.d * s.h * s.w;

/** Best and median seconds of `rounds` calls after one that warms up. */
function time(run) {
  run();
  const seconds = Array.from({ length: rounds }, () => {
    const start = process.hrtime.bigint();
    run();
    return Number(process.hrtime.bigint() - start) / 1e9;
  }).sort((a, b) => a - b);
  return { best: seconds[0], median: seconds[rounds >> 1] };
}

function blockOf(s) {
  const x = numbers(voxels(s) * s.c, 1);
  const dy = numbers(x.length, 2);
  const p = irbWeights(s, 3, false);
  const [statistics, gradients] = [irbStatistics(s), emptyLike(p)];
  const [y, dx] = [new Float32Array(x.length), new Float32Array(x.length)];
  return (kernels, saved) => ({
    forward: () => kernels.irbForward(s, x, p, options, y, statistics, saved),
    backward: () => kernels.irbBackward(s, x, p, options, statistics, saved, dy, dx, gradients),
    results: () =>
      [y, dx, ...Object.values(gradients).filter((value) => value !== null)].map((a) => a.slice()),
  });
}

function checkBlock(s) {
  const open = blockOf(s);
  const [ours, theirs] = [native, referenceKernels].map((kernels) => {
    const block = open(kernels, new Float32Array(kernels.irbSavedLength(s, options)));
    block.forward();
    block.backward();
    return block.results();
  });
  ours.forEach((values, i) => {
    const error = relativeError(values, theirs[i]);
    if (!(error < 5e-5)) throw new Error(`block of ${s.c} channels is wrong: ${error}`);
  });
}

const tapsInside = (length, k) => {
  let sum = 0;
  for (let i = 0; i < length; i++)
    for (let t = -(k >> 1); t <= k >> 1; t++) if (i + t >= 0 && i + t < length) sum++;
  return sum;
};

const peak = native.fmaPeak(0.3);
console.log(`${native.instructionSet}, ${threads} threads, FMA peak ${peak.toFixed(0)} GFLOP/s`);
const row = (name, count, run, flops) => {
  const { best, median } = time(run);
  const rate = flops / best / 1e9;
  console.log(
    `${name.padEnd(34)} ${(best * 1e3).toFixed(1).padStart(8)} ms best ${(median * 1e3).toFixed(1).padStart(8)} median` +
      ` ${rate.toFixed(0).padStart(5)} GFLOP/s ${((100 * rate) / peak).toFixed(0).padStart(3)} % x ${count}`,
  );
  return best * count;
};

let step = 0;
for (let level = 0; level < 5; level++) {
  const c = 8 << level;
  checkBlock({ n: 1, d: 2, h: 7, w: 9, c, expanded: 4 * c, k: 5 });
  const s = { n: 1, d: 16 >> level, h: size >> level, w: size >> level, c, expanded: 4 * c, k: 5 };
  const block = blockOf(s)(native, new Float32Array(native.irbSavedLength(s, options)));
  const depthwise = tapsInside(s.d, 5) * tapsInside(s.h, 5) * tapsInside(s.w, 5) * s.expanded;
  const forward = 2 * (depthwise + 2 * voxels(s) * s.c * s.expanded);
  const [count, name] = [level === 4 ? 4 : 8, `block ${s.c} at ${s.d}x${s.h}x${s.w}`];
  step += row(`${name} forward`, count, block.forward, forward);
  step += row(`${name} backward`, count, block.backward, 2 * forward);
}

const full = { n: 1, d: 16, h: size, w: size };
{
  const s = { ...full, ci: 1, co: 8, k: 5 };
  const [x, w, dy] = [numbers(voxels(s), 1), numbers(1000, 2), numbers(voxels(s) * 8, 3)];
  const [y, dw] = [new Float32Array(dy.length), new Float32Array(1000)];
  const flops = 2 * voxels(s) * 1000;
  step += row('stem forward', 1, () => native.conv3dForward(s, x, w, null, y), flops);
  step += row('stem backward (filter)', 1, () => native.conv3dBackwardFilter(s, x, dy, dw, null), flops);
  const p = {
    mean: numbers(8, 4),
    variance: numbers(8, 5).map((v) => v + 2),
    gamma: numbers(8, 6),
    beta: numbers(8, 7),
    epsilon: 1e-5,
  };
  const [m, v, dg, db] = [0, 1, 2, 3].map(() => new Float32Array(8));
  step += row(
    'stem norm forward',
    1,
    () => (
      native.batchNormStatistics(voxels(s), 8, dy, m, v),
      native.batchNormForward(voxels(s), 8, dy, p, 'elu', null, y)
    ),
    0,
  );
  step += row(
    'stem norm backward',
    1,
    () => native.batchNormBackward(voxels(s), 8, dy, p, 'elu', dy, y, dg, db),
    0,
  );
}
for (let level = 0; level < 4; level++) {
  const c = 8 << level;
  const s = { n: 1, d: 16 >> level, h: size >> level, w: size >> level };
  const half = { n: 1, d: s.d / 2, h: s.h / 2, w: s.w / 2 };
  const fine = numbers(voxels(s) * c, 1);
  const [wide, pooled] = [new Float32Array(voxels(s) * 2 * c), new Float32Array(voxels(half) * 2 * c)];
  const coarse = new Float32Array(voxels(half) * c);
  const w = numbers(2 * c * c, 2);
  const dw = new Float32Array(w.length);
  step += row(
    `down ${c}: conv, pool, both ways`,
    1,
    () => {
      native.conv3dForward({ ...s, ci: c, co: 2 * c, k: 1 }, fine, w, null, wide);
      native.averagePoolForward({ ...s, c: 2 * c }, wide, pooled);
      native.averagePoolBackward({ ...s, c: 2 * c }, pooled, wide);
      native.conv3dBackwardFilter({ ...s, ci: c, co: 2 * c, k: 1 }, fine, wide, dw, null);
      native.conv3dBackwardInput({ ...s, ci: c, co: 2 * c, k: 1 }, wide, w, fine);
    },
    0,
  );
  step += row(
    `up to ${c}: trilinear both ways`,
    1,
    () => {
      native.upsampleForward({ ...half, c }, 2, coarse, fine);
      native.upsampleBackward({ ...half, c }, 2, fine, coarse);
    },
    0,
  );
  const factor = 1 << level;
  const [small, large] = [new Float32Array(voxels(s) * 2), new Float32Array(voxels(full) * 2)];
  const labels = new Int32Array(voxels(full));
  step += row(
    `head x${factor}: up, loss, down`,
    level === 0 ? 2 : 1,
    () => {
      if (factor > 1) native.upsampleForward({ ...s, c: 2 }, factor, small, large);
      native.softmaxCrossEntropy(voxels(full), 2, large, labels, large);
      if (factor > 1) native.upsampleBackward({ ...s, c: 2 }, factor, large, small);
    },
    0,
  );
}
console.log(
  `sum over the step: ${step.toFixed(3)} s; resident ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB`,
);
