/**
 * One training step of LV-Net as a worker does it: prepared case, sampler, engine, exchange over a real Redis,
 * Adam, digest, step log. Prints the step's time by phase, GFLOP/s, the share of the measured FMA peak, what
 * is spent outside engine and exchange, and peak memory. After each step the least that anybody needs for one is done
 * in its place, in turn: what it takes less is the price of exactness and of telling. Of the steps before those that
 * count there are as many again: JavaScript takes a hundred to be compiled, which costs several percent of a step.
 *
 *   npm run bench step [size=128] [threads=all cores] [steps=60]
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
  applyStatistics,
  buildNetwork,
  describe as describeNetwork,
  initialAdam,
  initialWeights,
  shardGradient,
} from '@lvnet/networks';
import { startPrivateRedis } from '@lvnet/redis';
import { openStore } from '@lvnet/store';
import { collectRarely, trainRun, type StepFact, type TrainingSpec } from '@lvnet/training';
import {
  cutBlock,
  discoverCases,
  prepareCase,
  storePrepared,
  writePhantomDataset,
  type PreparedCase,
} from '@lvnet/volumes';
import { milliseconds, peakRssMiB, say, spread, writeResult } from './support.js';

const [size = 128, threads = availableParallelism(), steps = 60] = process.argv.slice(2).map(Number);
const stepsPerCase = 8;
/** Until then most is compiled, and engines, caches and pools have their sizes. */
const warmSteps = steps;
const network = buildNetwork({ name: 'lv-net' });

/**
 * A step and the seconds since the one before, whatever they were spent on, and those of the same work without
 * exchange, digests, ledger, log and metrics.
 */
type TimedStep = StepFact & { wholeSeconds: number; plainSeconds: number; plainEngineSeconds: number };

async function main(): Promise<void> {
  const kernels = loadKernels();
  assert.ok(kernels !== undefined, 'build the addon first: npm run setup');
  const folder = await mkdtemp(join(tmpdir(), 'lvnet-bench-'));
  collectRarely(); // as a trainer does
  try {
    await checkAnswer();
    const engine = await openEngine({ kind: 'native', threads });
    const { spec, prepared } = await makeSpec(folder);
    const timed = await train(spec, engine, folder, plainStepper(engine, prepared));
    await report(timed.slice(warmSteps), engine, kernels.fmaPeak(0.3));
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

async function makeSpec(folder: string): Promise<{ spec: TrainingSpec; prepared: PreparedCase }> {
  const root = join(folder, 'scans');
  await writePhantomDataset({ out: root, cases: 1, shape: [16 * stepsPerCase, size, size], seed: 1 });
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
  const spec: TrainingSpec = {
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
    cases: Array.from({ length: Math.ceil((steps + warmSteps) / stepsPerCase) }, () => item), // held once
    stepsPerEpoch: steps + warmSteps,
    stepsTotal: steps + warmSteps,
  };
  return { spec, prepared };
}

/** A step as a loop of a few lines does it: cut, both passes, Adam, running statistics. */
function plainStepper(engine: Engine, prepared: PreparedCase): () => Pick<TimedStep, 'plainEngineSeconds'> {
  const weights = initialWeights(network.config, 1);
  const adam = initialAdam(network);
  const into = new Float32Array(network.gradientLength);
  let start = 0;
  return () => {
    const { image, label } = cutBlock(prepared, start, 16);
    start = (start + 16) % (prepared.depth - 15);
    const shape = [1, 16, size, size] as const;
    const options = { shape, eta: [0.2, 0.4, 0.6, 0.8], order: 'coarse-to-fine', into } as const;
    const found = shardGradient(engine, network, weights, image, label, options);
    const { gradients, statistics, forwardMs, backwardMs } = found;
    const rates = { learningRate: 0.001, weightDecay: 0.00001 };
    adamUpdate(engine.kernels, weights.parameters, gradients, adam, rates);
    applyStatistics(weights, statistics);
    return { plainEngineSeconds: (forwardMs + backwardMs) / 1000 };
  };
}

async function train(
  spec: TrainingSpec,
  engine: Engine,
  folder: string,
  plainStep: ReturnType<typeof plainStepper>,
): Promise<TimedStep[]> {
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
      const engineSeconds = plainStep();
      const endMs = performance.now();
      found.push({
        ...fact,
        ...engineSeconds,
        wholeSeconds: (nowMs - lastMs) / 1000,
        plainSeconds: (endMs - nowMs) / 1000,
      });
      lastMs = endMs;
    },
  });
  await store.close();
  return found;
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
  const plainSeconds = spread(timed.map((step) => step.plainSeconds));
  const exactnessShare = spread(
    timed.map(({ wholeSeconds, plainSeconds }) => 1 - plainSeconds / wholeSeconds),
  );
  const plainEngineSeconds = spread(timed.map((step) => step.plainEngineSeconds));
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
  say(
    `  (steps without all that, in turn: ${milliseconds(plainSeconds.median)} median, ${milliseconds(plainEngineSeconds.median)} of it in the engine)`,
  );
  say(`  peak memory ${peakRssMiB().toFixed(0)} MiB`);
  await writeResult(`step-${String(size)}`, {
    what: title,
    instructionSet: engine.instructionSet,
    threads,
    ...{ stepSeconds, phaseSeconds, gflops, fmaPeakGflops, shareOfPeak: gflops / fmaPeakGflops },
    ...{ outsideShare, plainSeconds, plainEngineSeconds, exactnessShare, peakRssMiB: peakRssMiB() },
  });
}

await main();
