/**
 * A network's training step and inference against PyTorch at its best (torch.compile, channels_last or
 * channels_last_3d), interleaved in one run on the same weights and image, answers compared first. Times are wall
 * clock and processor seconds; where other programs use the machine the second says more, with one thread above all:
 * PyTorch's threads spin while they wait for one another. Inferences are timed as in the middle of a scan, after
 * others: both have what they compile by then.
 *
 *   npm run bench engine [network=lv-net] [size=256] [rounds=2] [threads=all cores] [slices=16]
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '@lvnet/core';
import { openEngine, type Engine } from '@lvnet/engine';
import { loadKernels } from '@lvnet/kernels';
import {
  buildNetwork,
  describe as describeNetwork,
  initialWeights,
  predictForeground,
  shardGradient,
} from '@lvnet/networks';
import { repository } from '../support/data.js';
import { startPyTorch, type PyTorch } from './pytorch.js';
import { peakRssMiB, say, spread, timed, writeResult, type Spread, type Times } from './support.js';

const given = process.argv.slice(2);
const name = Number.isNaN(Number(given[0] ?? 256)) ? given.shift() : 'lv-net';
const [size = 256, rounds = 2, threads = availableParallelism(), slices = 16] = given.map(Number);
const shape = [1, slices, size, size] as const;
const network = buildNetwork({ name });
const eta = [0.2, 0.4, 0.6, 0.8].slice(0, network.headNames.length - 1);
const weights = initialWeights(network.config, 1);
const image = Float32Array.from({ length: slices * size * size }, (_, i) => ((i * 37) % 101) / 50 - 1);
const label = Int32Array.from(image, (value, i) => (value > 0.3 ? 1 : (i >> 3) & 1));

/** A scan of the liver is some fifty blocks. */
const warmInferences = 8;

/** Threads of OpenMP spin for a while after their work: whoever comes next would have half of the machine. */
const othersSleep = () => sleep(500);

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'lvnet-bench-'));
  try {
    const engine = await openEngine({ kind: 'native', threads });
    await using torch = await startPyTorch();
    const { version } = await open(torch, folder);
    const out = join(folder, 'foreground');
    const infer = () => predictForeground(engine, network, weights, image, [slices, size, size]);
    const inference = { ours: [] as Times[], theirs: [] as Times[] };
    const steps = { ours: [] as Times[], theirs: [] as Times[] };
    assertNear('inference', infer(), await inferred(torch, out), 1e-3);
    for (let i = 0; i < warmInferences; i++) {
      infer();
      await torch.ask<Times>({ do: 'infer', out });
    }
    const inferencePeakRssMiB = peakRssMiB();
    for (let i = 0; i < 3 * rounds; i++) {
      await othersSleep();
      infer();
      inference.ours.push(timed(infer));
      await othersSleep();
      await torch.ask<Times>({ do: 'infer', out });
      inference.theirs.push(await torch.ask<Times>({ do: 'infer', out }));
    }
    const { losses } = step(engine);
    assertNear('losses', losses, (await torch.ask<{ losses: number[] }>({ do: 'step' })).losses, 1e-4);
    for (let i = 0; i < rounds; i++) {
      await othersSleep();
      steps.ours.push(timed(() => step(engine)));
      await othersSleep();
      steps.theirs.push(await torch.ask<Times>({ do: 'step' }));
    }
    const theirs = await torch.ask<{ peakRssMiB: number }>({ do: 'memory' });
    await report({
      engine,
      version,
      inference,
      steps,
      inferencePeakRssMiB,
      torchPeakRssMiB: theirs.peakRssMiB,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const step = (engine: Engine) =>
  shardGradient(engine, network, weights, image, label, { shape, eta, order: 'coarse-to-fine' });

async function open(torch: PyTorch, folder: string): Promise<{ version: string }> {
  const files = ['weights', 'image', 'label'].map((name) => join(folder, name)) as [string, string, string];
  const arrays = network.state.flatMap(({ name }) => {
    const values = weights.byName.get(name);
    return values === undefined ? [] : [[name, values] as const]; // counters of steps have none
  });
  await writeFile(files[0], Buffer.concat(arrays.map(([, values]) => new Uint8Array(values.slice().buffer))));
  await writeFile(files[1], image);
  await writeFile(files[2], label);
  const state = arrays.map(([name, { length }]) => [name, length]);
  const paths = {
    weights: files[0],
    image: files[1],
    label: files[2],
    golden: join(repository, 'test/golden'),
  };
  return torch.ask({
    do: 'open',
    ...paths,
    network: network.config,
    state,
    shape,
    eta,
    threads,
    compile: true,
  });
}

async function inferred(torch: PyTorch, out: string): Promise<Float32Array> {
  await torch.ask({ do: 'infer', out });
  return new Float32Array(new Uint8Array(await readFile(out)).buffer);
}

/** What is timed must be right: the largest difference against the largest value. */
function assertNear(
  what: string,
  ours: ArrayLike<number>,
  theirs: ArrayLike<number>,
  tolerance: number,
): void {
  assert.equal(ours.length, theirs.length, what);
  let [off, largest] = [0, 0];
  for (let i = 0; i < ours.length; i++) {
    const [a, b] = [ours[i] ?? Number.NaN, theirs[i] ?? Number.NaN];
    if (!(Math.abs(a - b) <= off)) off = Math.abs(a - b);
    largest = Math.max(largest, Math.abs(b));
  }
  assert.ok(off <= tolerance * largest, `${what}: off by ${String(off)} of ${String(largest)}`);
}

interface Sides {
  ours: Times[];
  theirs: Times[];
}

interface Found {
  engine: Engine;
  version: string;
  inference: Sides;
  steps: Sides;
  inferencePeakRssMiB: number;
  torchPeakRssMiB: number;
}

async function report({ engine, version, inference, steps, ...memory }: Found): Promise<void> {
  const fmaPeakGflops = loadKernels()?.fmaPeak(0.3) ?? Number.NaN;
  const what = `${network.config.name} [${shape.join(',')},1] against PyTorch ${version}, compiled, channels last`;
  const results = { step: compare(steps), inference: compare(inference) };
  say(`${what}; ${engine.instructionSet}, ${String(threads)} threads, ${String(rounds)} rounds`);
  for (const [name, { ours, theirs, ratio }] of Object.entries(results)) {
    for (const kind of ['seconds', 'cpuSeconds'] as const) {
      const [a, b] = [ours[kind].min.toFixed(3), theirs[kind].min.toFixed(3)];
      say(
        `  ${name.padEnd(10)} ${kind.padEnd(11)} ${a} s against ${b} s: ${ratio[kind].toFixed(1)} times as fast`,
      );
    }
  }
  const rss = { ...memory, peakRssMiB: peakRssMiB() };
  const [own, ownInference, torch] = [rss.peakRssMiB, rss.inferencePeakRssMiB, rss.torchPeakRssMiB].map(
    (mib) => mib.toFixed(0),
  );
  say(`  peak memory ${String(own)} MiB (inference ${String(ownInference)}), PyTorch ${String(torch)} MiB`);
  const macs = describeNetwork(network.config, [slices, size, size]).macs;
  const gflops = (6 * macs) / results.step.ours.seconds.min / 1e9;
  const file = network.config.name === 'lv-net' ? `engine-${String(size)}` : `engine-${network.config.name}`;
  await writeResult(file, {
    ...{ what, instructionSet: engine.instructionSet, threads, ...results },
    ...{ gflops, fmaPeakGflops, ...rss },
  });
}

type Kind = keyof Times;

function compare({ ours, theirs }: Sides) {
  const of = (times: Times[]): Record<Kind, Spread> => ({
    seconds: spread(times.map(({ seconds }) => seconds)),
    cpuSeconds: spread(times.map(({ cpuSeconds }) => cpuSeconds)),
  });
  const [a, b] = [of(ours), of(theirs)];
  const ratio = { seconds: b.seconds.min / a.seconds.min, cpuSeconds: b.cpuSeconds.min / a.cpuSeconds.min };
  return { ours: a, theirs: b, ratio };
}

await main();
