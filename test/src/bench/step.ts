/**
 * One training step of LV-Net as a worker does it: prepared case, sampler, engine, exchange over a real Redis,
 * Adam, digest, step log. Prints the step's time by phase, GFLOP/s, the share of the measured FMA peak, what
 * is spent outside engine and exchange, what all that makes the run exact and tells of it costs, and peak memory.
 *
 *   npm run bench step [size=128] [threads=all cores] [steps=6]
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openEngine, type Engine } from '@lvnet/engine';
import { loadKernels } from '@lvnet/kernels';
import {
  adamUpdate,
  buildNetwork,
  describe as describeNetwork,
  initialAdam,
  initialWeights,
  shardGradient,
} from '@lvnet/networks';
import { startPrivateRedis } from '@lvnet/redis';
import { openStore } from '@lvnet/store';
import { trainRun, type StepFact, type TrainingSpec } from '@lvnet/training';
import { discoverCases, prepareCase, storePrepared, writePhantomDataset } from '@lvnet/volumes';
import { milliseconds, peakRssMiB, say, spread, writeResult } from './support.js';

const [size = 128, threads = availableParallelism(), steps = 6] = process.argv.slice(2).map(Number);
const network = buildNetwork({ name: 'lv-net' });

/** A step and the seconds since the one before, whatever they were spent on. */
type TimedStep = StepFact & { wholeSeconds: number };

async function main(): Promise<void> {
  const kernels = loadKernels();
  assert.ok(kernels !== undefined, 'build the addon first: npm run setup');
  const folder = await mkdtemp(join(tmpdir(), 'lvnet-bench-'));
  try {
    await checkAnswer();
    const engine = await openEngine({ kind: 'native', threads });
    const spec = await makeSpec(folder);
    const timed = await train(spec, engine, folder);
    await report(timed.slice(2), engine, kernels.fmaPeak(0.3));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What is timed must be right: native against the plain loops on a small network. */
async function checkAnswer(): Promise<void> {
  const small = buildNetwork({ levels: 3, blocksPerStage: 1 });
  const image = Float32Array.from({ length: 384 }, (_, i) => ((i * 37) % 101) / 50 - 1);
  const label = Int32Array.from({ length: 384 }, (_, i) => (i >> 3) & 1);
  const weights = initialWeights(small.config, 1);
  const o = { shape: [1, 4, 12, 8], eta: [0.4, 0.8], order: 'coarse-to-fine' } as const;
  const gradients: Float32Array[] = [];
  for (const kind of ['native', 'reference'] as const) {
    const engine = await openEngine({ kind });
    gradients.push(shardGradient(engine, small, weights, image, label, o).gradients);
  }
  const [ours, judge] = gradients;
  assert.ok(ours !== undefined && judge !== undefined);
  const largest = judge.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (const [i, value] of ours.entries()) {
    const error = Math.abs(value - (judge[i] ?? Number.NaN));
    assert.ok(error <= 1e-4 * largest, `gradient ${String(i)} is wrong by ${String(error)}`);
  }
}

const storeUrl = (folder: string) => pathToFileURL(join(folder, 'store')).href;

async function makeSpec(folder: string): Promise<TrainingSpec> {
  const root = join(folder, 'scans');
  await writePhantomDataset({ out: root, cases: 1, shape: [16 * (steps + 2), size, size], seed: 1 });
  const store = await openStore(storeUrl(folder));
  const [files] = await discoverCases(root);
  assert.ok(files !== undefined);
  const prepared = await prepareCase(files, {
    version: 1,
    windowHu: [-200, 200],
    rows: size,
    columns: size,
    normalise: 'volume',
  });
  const { name, sha256 } = await storePrepared(store, prepared);
  await store.close();
  const item = { case: '0', prepared: name, sha256, depth: prepared.depth, liver: prepared.liver };
  return {
    run: 'bench',
    start: null,
    seed: 1,
    network: network.config,
    loss: { eta: [0.2, 0.4, 0.6, 0.8], order: 'coarse-to-fine' },
    optimizer: { learningRate: 0.001, decayPerEpoch: 1, weightDecay: 0.00001 },
    batch: 1,
    shards: 1,
    slices: 16,
    onBadSample: 'stop',
    blocks: 'all',
    cases: [item],
    stepsPerEpoch: steps + 2,
    stepsTotal: steps + 2,
  };
}

async function train(spec: TrainingSpec, engine: Engine, folder: string): Promise<TimedStep[]> {
  const store = await openStore(storeUrl(folder));
  await using redis = await startPrivateRedis({ dir: join(folder, 'redis') });
  const found: TimedStep[] = [];
  let lastMs = performance.now();
  await trainRun({
    spec,
    engine,
    store,
    worker: 'bench',
    redisUrl: redis.socketUrl,
    wire: 'float32',
    terms: {},
    members: { min: 1, wanted: 1 },
    checkpoint: { everySteps: spec.stepsTotal, keep: 2, bytesPerSecond: 2 ** 25 },
    provenance: { data: null, network: network.config, engineFingerprint: 'bench' },
    stop: { signal: new AbortController().signal, why: () => 'leave' },
    verdict: undefined,
    referenced: () => Promise.resolve([]),
    finish: () => Promise.resolve(),
    report: (fact) => {
      if (fact.kind !== 'step') return;
      const nowMs = performance.now();
      found.push({ ...fact, wholeSeconds: (nowMs - lastMs) / 1000 });
      lastMs = nowMs;
    },
  });
  await store.close();
  return found;
}

/** Seconds of Adam alone: what is left of a step without passes and Adam is there to make it exact and to tell of it. */
function adamSeconds(engine: Engine): number {
  const { parameters } = initialWeights(network.config, 1);
  const gradient = parameters.map((value) => value / 100);
  const state = initialAdam(network);
  const seconds = Array.from({ length: 9 }, () => {
    const startMs = performance.now();
    adamUpdate(engine.kernels, parameters, gradient, state, { learningRate: 0.001, weightDecay: 0.00001 });
    return (performance.now() - startMs) / 1000;
  });
  return spread(seconds).median;
}

async function report(timed: readonly TimedStep[], engine: Engine, fmaPeakGflops: number): Promise<void> {
  const stepSeconds = spread(timed.map((step) => step.wholeSeconds));
  const names = ['data', 'forward', 'backward', 'exchange', 'update'] as const;
  const phaseSeconds = Object.fromEntries(
    names.map((name) => [name, spread(timed.map((step) => step.phases[name]))]),
  );
  const outsideShare = spread(
    timed.map(
      ({ phases, wholeSeconds }) => 1 - (phases.forward + phases.backward + phases.exchange) / wholeSeconds,
    ),
  );
  const adam = adamSeconds(engine);
  const exactnessShare = spread(
    timed.map(
      ({ phases, wholeSeconds }) =>
        1 - (phases.data + phases.forward + phases.backward + adam) / wholeSeconds,
    ),
  );
  // Forward, input gradient and filter gradient cost a multiply-add each per weight and output value.
  const flops = 6 * describeNetwork(network.config, [16, size, size]).macs;
  const gflops = flops / stepSeconds.median / 1e9;
  const title = `LV-Net training step [1,16,${String(size)},${String(size)},1]`;
  say(`${title}, ${engine.instructionSet}, ${String(threads)} threads`);
  say(
    `  step      ${milliseconds(stepSeconds.median)} median, ${milliseconds(stepSeconds.min)} best of ${String(stepSeconds.rounds)}`,
  );
  for (const name of names)
    say(`  ${name.padEnd(9)} ${milliseconds(phaseSeconds[name]?.median ?? Number.NaN)}`);
  const share = ((100 * gflops) / fmaPeakGflops).toFixed(0);
  say(`  ${gflops.toFixed(0)} GFLOP/s, ${share} % of the FMA peak of ${fmaPeakGflops.toFixed(0)}`);
  say(`  outside engine and exchange ${(100 * outsideShare.median).toFixed(1)} %`);
  const exactness = `${(100 * exactnessShare.median).toFixed(1)} %`;
  say(`  exactness: digests, ledger, log, metrics, the exchange with itself: ${exactness}`);
  say(`  peak memory ${peakRssMiB().toFixed(0)} MiB`);
  await writeResult(`step-${String(size)}`, {
    what: title,
    instructionSet: engine.instructionSet,
    threads,
    ...{ stepSeconds, phaseSeconds, gflops, fmaPeakGflops, shareOfPeak: gflops / fmaPeakGflops },
    ...{ outsideShare, adamSeconds: adam, exactnessShare, peakRssMiB: peakRssMiB() },
  });
}

await main();
