/**
 * The depthwise convolution 5x5x5 alone on a volume that no cache holds, [1,16,128,128,128] (slices, rows, columns,
 * channels): forward and both gradients against the FMA peak, measured in turn in one run. Multiply-adds are those
 * of a direct convolution, taps inside the volume only, so that what Winograd's transform saves counts as speed.
 * Answers are compared with float64 first. Where others use the machine, rates by processor seconds say more. The sum
 * of two such volumes, in turn with them, tells what the memory alone would need: each pass meets two volumes once.
 *
 *   npm run bench depthwise [size=128] [channels=128] [rounds=12] [threads=all cores]
 */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { counterRandom } from '@lvnet/core';
import { loadKernels, type DepthwiseShape } from '@lvnet/kernels';
import { say, spread, timed, writeResult, type Times } from './support.js';

const [size = 128, c = 128, rounds = 12, threads = availableParallelism()] = process.argv
  .slice(2)
  .map(Number);
const s: DepthwiseShape = { n: 1, d: 16, h: size, w: size, c, k: 5 };
const half = s.k >> 1;
const taps = s.k ** 3;
const voxels = s.d * s.h * s.w;

const found = loadKernels();
assert.ok(found !== undefined, 'build the addon first: npm run setup');
const kernels = found;

function numbers(length: number, key: string): Float32Array {
  const random = counterRandom('depthwise', key);
  const drawn = Float32Array.from(
    { length: Math.min(length, 2 ** 20) },
    (_, i) => random.uniformAt(i) * 2 - 1,
  );
  // Copied in strides without a common divisor: no two channels or rows are alike.
  const values = kernels.allocate(length); // huge pages, as the engine's arrays have them: 4 KB pages halve the speed
  for (let i = 0; i < length; i++)
    values[i] = drawn[(i * 7 + Math.floor(i / drawn.length) * 13) % drawn.length] ?? 0;
  return values;
}

const [x, dy] = [numbers(voxels * c, 'x'), numbers(voxels * c, 'dy')];
const [weight, bias] = [numbers(c * taps, 'weight'), numbers(c, 'bias')];
const [y, dx] = [kernels.allocate(voxels * c), kernels.allocate(voxels * c)];
const dweight = new Float32Array(c * taps);

const passes = {
  forward: () => {
    kernels.depthwise3dForward(s, x, weight, bias, y);
  },
  'gradient by input': () => {
    kernels.depthwise3dBackwardInput(s, dy, weight, dx);
  },
  'gradient by weights': () => {
    kernels.depthwise3dBackwardFilter(s, x, dy, dweight, null);
  },
};

/** Largest error of some elements against float64, relative to the largest of them. */
function errorOf(actual: Float32Array, expected: (i: number) => number, places: readonly number[]): number {
  let [off, largest] = [0, 0];
  for (const i of places) {
    const exact = expected(i);
    const difference = Math.abs((actual[i] ?? Number.NaN) - exact);
    if (!(difference <= off)) off = difference;
    largest = Math.max(largest, Math.abs(exact));
  }
  return off / largest;
}

/** Sum over the taps inside the volume of values[voxel + sign tap] * weight. */
function convolved(values: Float32Array, start: number, sign: 1 | -1, i: number): number {
  const channel = i % c;
  const [z, row, column] = [
    Math.floor(i / c / s.w / s.h),
    Math.floor(i / c / s.w) % s.h,
    Math.floor(i / c) % s.w,
  ];
  let sum = start;
  for (let t = 0; t < taps; t++) {
    const [kz, kr, kc] = [
      Math.floor(t / s.k ** 2) - half,
      (Math.floor(t / s.k) % s.k) - half,
      (t % s.k) - half,
    ];
    const [pz, pr, pc] = [z + sign * kz, row + sign * kr, column + sign * kc];
    if (pz < 0 || pz >= s.d || pr < 0 || pr >= s.h || pc < 0 || pc >= s.w) continue;
    sum += (values[((pz * s.h + pr) * s.w + pc) * c + channel] ?? 0) * (weight[channel * taps + t] ?? 0);
  }
  return sum;
}

/** A weight's gradient: the sum over all voxels of dy and the input under that tap. */
function correlated(i: number): number {
  const [channel, t] = [Math.floor(i / taps), i % taps];
  const [kz, kr, kc] = [
    Math.floor(t / s.k ** 2) - half,
    (Math.floor(t / s.k) % s.k) - half,
    (t % s.k) - half,
  ];
  let sum = 0;
  for (let z = Math.max(0, -kz); z < Math.min(s.d, s.d - kz); z++)
    for (let row = Math.max(0, -kr); row < Math.min(s.h, s.h - kr); row++)
      for (let column = Math.max(0, -kc); column < Math.min(s.w, s.w - kc); column++) {
        const at = ((z * s.h + row) * s.w + column) * c + channel;
        sum += (x[at + ((kz * s.h + kr) * s.w + kc) * c] ?? 0) * (dy[at] ?? 0);
      }
  return sum;
}

/** Elements from both ends and in between, at an odd distance. */
const places = (length: number, count: number): number[] => [
  ...Array.from({ length: count }, (_, i) => Math.floor((i * (length - 1)) / (count - 1))),
];

function checkAnswers(): Record<string, number> {
  for (const run of Object.values(passes)) run();
  const some = places(voxels * c, 20_011);
  const errors = {
    forward: errorOf(y, (i) => convolved(x, bias[i % c] ?? 0, 1, i), some),
    'gradient by input': errorOf(dx, (i) => convolved(dy, 0, -1, i), some),
    'gradient by weights': errorOf(dweight, correlated, places(c * taps, 331)),
  };
  for (const [name, error] of Object.entries(errors))
    assert.ok(error < 1e-5, `${name} is off by ${String(error)}`);
  return errors;
}

/** Multiply-adds along an axis: taps inside, over all positions. */
const inside = (length: number): number =>
  Array.from({ length }, (_, i) => Math.min(length, i + half + 1) - Math.max(0, i - half)).reduce(
    (a, b) => a + b,
    0,
  );

function main(): Promise<void> {
  kernels.setThreads(threads);
  const errors = checkAnswers();
  const peaks: Times[] = [];
  const sums: Times[] = [];
  const times = Object.fromEntries(Object.keys(passes).map((name) => [name, [] as Times[]]));
  let peakFlops = 0;
  for (let i = 0; i < rounds; i++) {
    const peak = timed(() => (peakFlops = kernels.fmaPeak(0.2)));
    peaks.push({ seconds: 1 / peakFlops, cpuSeconds: peak.cpuSeconds / (peakFlops * peak.seconds) });
    sums.push(
      timed(() => {
        kernels.add(x, dy, y);
      }),
    );
    for (const [name, run] of Object.entries(passes)) times[name]?.push(timed(run));
  }
  return report(errors, peaks, sums, times);
}

async function report(
  errors: Record<string, number>,
  peaks: readonly Times[],
  sums: readonly Times[],
  times: Record<string, Times[]>,
): Promise<void> {
  const gflop = (2 * inside(s.d) * inside(s.h) * inside(s.w) * c) / 1e9;
  // Processor time is counted in ticks: only its mean over the rounds means something.
  const best = (of: readonly Times[]) => ({
    seconds: spread(of.map(({ seconds }) => seconds)).min,
    cpuSeconds: of.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) / of.length,
  });
  const fma = best(peaks);
  const peak = { seconds: 1 / fma.seconds, cpuSeconds: threads / fma.cpuSeconds };
  const what = `depthwise 5x5x5 on [${[s.n, s.d, s.h, s.w, s.c].join(',')}]`;
  say(`${what}, ${kernels.instructionSet}, ${String(threads)} threads, best of ${String(rounds)}`);
  say(`  FMA peak ${peak.seconds.toFixed(0)} GFLOP/s, by processor time ${peak.cpuSeconds.toFixed(0)}`);
  const volumeGb = (4 * voxels * c) / 1e9;
  const memory = { gbPerSecond: (3 * volumeGb) / best(sums).seconds, seconds: (2 / 3) * best(sums).seconds };
  say(
    `  memory ${memory.gbPerSecond.toFixed(1)} GB/s: ${(1000 * memory.seconds).toFixed(1)} ms for two volumes of ${volumeGb.toFixed(2)} GB`,
  );
  const figures = Object.entries(times).map(([name, of]) => {
    const { seconds, cpuSeconds } = best(of);
    const gflops = { seconds: gflop / seconds, cpuSeconds: (gflop * threads) / cpuSeconds };
    const share = { seconds: gflops.seconds / peak.seconds, cpuSeconds: gflops.cpuSeconds / peak.cpuSeconds };
    const percent = (value: number) => `${(100 * value).toFixed(0)} %`;
    say(
      `  ${name.padEnd(20)} ${(1000 * seconds).toFixed(1)} ms, ${gflops.seconds.toFixed(0)} GFLOP/s, ${percent(share.seconds)} of the peak; ` +
        `by processor time ${gflops.cpuSeconds.toFixed(0)}, ${percent(share.cpuSeconds)}; error ${(errors[name] ?? Number.NaN).toExponential(1)}`,
    );
    return [
      name,
      { best: { seconds, cpuSeconds }, gflops, shareOfPeak: share, error: errors[name] },
    ] as const;
  });
  await writeResult(`depthwise-${String(size)}`, {
    ...{ what, instructionSet: kernels.instructionSet, threads, rounds },
    ...{ gflop, fmaPeakGflops: peak, memory, ...Object.fromEntries(figures) },
  });
}

await main();
