import { totalmem } from 'node:os';
import { resolve } from 'node:path';
import { Failure, counterRandom, writeFileAtomic } from '@lvnet/core';
import { openEngine, type Engine, type EngineKind } from '@lvnet/engine';
import { measureFmaPeak } from '@lvnet/kernels';
import {
  buildNetwork,
  checkInput,
  initialAdam,
  initialWeights,
  memoryOf,
  profileStep,
  type InputSize,
  type Network,
  type NetworkName,
  type StepProfile,
} from '@lvnet/networks';
import { print, say } from '../../cluster/print.js';
import { formatBytes } from '../../views/format.js';
import { configureNetwork } from '../network/configure.js';
import { flameChart } from './flame-chart.js';
import { summarise } from './step-summary.js';
import { summaryLines } from './step-table.js';

export interface BenchFlags {
  network: string;
  input?: InputSize;
  engine: EngineKind | 'auto';
  threads?: number;
  rounds: number;
  set: string[];
  svg?: string;
  json?: boolean;
}

/** Times one training step of a network by its parts. */
export async function benchNetwork(flags: BenchFlags): Promise<void> {
  const network = buildNetwork(configureNetwork(flags.network, flags.set));
  const { name } = network.config;
  const input = flags.input ?? defaultInput(name);
  checkInput(network.config, input);
  checkMemory(network, input);
  const threads = flags.threads === undefined ? {} : { threads: flags.threads };
  const engine = await openEngine({ kind: flags.engine, ...threads });
  const { profiles, fmaPeakGflops } = await measure(engine, network, input, flags.rounds);
  const fastest = profiles.reduce((best, one) => (one.durationMs < best.durationMs ? one : best));
  const summary = summarise(fastest, fmaPeakGflops);
  const title = titleOf(engine, name, input, fmaPeakGflops);
  const svg = resolve(flags.svg ?? `bench-${name}.svg`);
  await writeFileAtomic(svg, Buffer.from(flameChart(title, fastest, fmaPeakGflops)));
  const { kind, instructionSet } = engine;
  const found = {
    ...{ network: name, config: network.config, input, engine: kind, instructionSet },
    ...{ threads: engine.threads, fmaPeakGflops, loss: fastest.loss },
    ...{ rounds: profiles.map(({ durationMs }) => durationMs / 1000), ...summary, svg },
  };
  print(flags.json === true, found, () => [title, '', ...summaryLines(summary), '', `Flame chart: ${svg}`]);
}

/** A size at which a step takes seconds on a laptop. */
const defaultInput = (name: NetworkName): InputSize =>
  name === 'u-net' || name === 'ce-net' ? [1, 256, 256] : [16, 128, 128];

/** @throws Failure('MEMORY_TOO_SMALL') */
function checkMemory({ config }: Network, input: InputSize): void {
  const [neededBytes, availableBytes] = [memoryOf(config, input).native.trainingBytes, totalmem()];
  if (neededBytes <= availableBytes) return;
  const message = `A training step of ${input.join('x')} takes ${formatBytes(neededBytes)}, there are ${formatBytes(availableBytes)}.`;
  throw new Failure(
    'MEMORY_TOO_SMALL',
    { neededBytes, availableBytes },
    { message, hint: 'Give a smaller --input.' },
  );
}

/** Of the processor, on as many threads as the engine has; 0 where it cannot be measured or does not compute. */
function peakOf(engine: Engine): number {
  if (engine.asynchronous) return 0;
  const peak = measureFmaPeak(engine.threads);
  engine.setThreads(engine.threads);
  return peak;
}

/**
 * Steps on the same made-up sample; a first one that is not counted fills pools and caches, unless it is slow.
 * Where others use the machine, the best of several steps and of peaks measured between them say most.
 */
async function measure(
  engine: Engine,
  network: Network,
  input: InputSize,
  rounds: number,
): Promise<{ profiles: StepProfile[]; fmaPeakGflops: number | null }> {
  const image = new Float32Array(input[0] * input[1] * input[2]);
  counterRandom('bench').fill(image, 2);
  const label = Int32Array.from(image, (value) => Number(value > 1));
  const state = { weights: initialWeights(network.config, 1), adam: initialAdam(network) };
  const o = {
    shape: [1, ...input] as const,
    eta: network.headNames.slice(1).map(() => 0.5),
    order: 'coarse-to-fine' as const,
  };
  const step = () => profileStep(engine, network, state, image, label, o);
  const first = step();
  if (first.durationMs > slowMs) {
    say(`One step took ${(first.durationMs / 1000).toFixed(0)} s: it is the only one measured.`);
    return { profiles: [first], fmaPeakGflops: peakOf(engine) || null };
  }
  const profiles: StepProfile[] = [];
  let peak = peakOf(engine);
  for (let i = 0; i < rounds; i++) {
    profiles.push(step());
    peak = Math.max(peak, peakOf(engine));
    await new Promise((done) => setImmediate(done)); // Ctrl-C is heard between steps
  }
  return { profiles, fmaPeakGflops: peak || null };
}

const slowMs = 30_000;

function titleOf(engine: Engine, name: string, input: InputSize, peak: number | null): string {
  const threads = engine.threads === 1 ? '1 thread' : `${String(engine.threads)} threads`;
  const fma = peak === null ? 'FMA peak unknown' : `FMA peak ${peak.toFixed(0)} GFLOP/s`;
  return `${name}, training step of 1x${input.join('x')}, ${engine.kind} engine (${engine.instructionSet}), ${threads}, ${fma}`;
}
