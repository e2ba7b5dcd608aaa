import { counterRandom } from '@lvnet/core';
import { openEngine, type Engine } from '@lvnet/engine';
import type { WireFormat } from '@lvnet/exchange';
import { buildNetwork, type Network } from '@lvnet/networks';
import type { PreparedCase } from '@lvnet/volumes';
import { aloneReducer } from './alone.js';
import type { CaseCache } from './case-cache.js';
import { createStepSampler } from './sampling.js';
import type { TrainingSpec } from './spec.js';
import { initialState, type TrainingState } from './state.js';
import { createStepper, type Reducer, type Stepper } from './stepper.js';
import { vectorLayout, type VectorLayout } from './vector-layout.js';

export const tinyNetwork = { baseWidth: 2, levels: 2, blocksPerStage: 1, expansionRate: 2, kernel: 3 };

/** Two cases of 10 and 7 slices in blocks of 4: five blocks, so the second step of an epoch has one sample. */
export function tinySpec(over: Partial<TrainingSpec> = {}): TrainingSpec {
  const caseOf = (name: string, depth: number) => ({
    case: name,
    prepared: name,
    sha256: name,
    depth,
    liver: null,
  });
  return {
    run: 'tiny',
    start: null,
    seed: 3,
    network: buildNetwork(tinyNetwork).config,
    loss: { eta: [0.5], order: 'coarse-to-fine' },
    optimizer: { learningRate: 0.01, decayPerEpoch: 0.5, weightDecay: 0.001 },
    batch: 4,
    shards: 4,
    slices: 4,
    onBadSample: 'stop',
    blocks: 'all',
    cases: [caseOf('a', 10), caseOf('b', 7)],
    stepsPerEpoch: 2,
    stepsTotal: 6,
    ...over,
  };
}

/** Cases of 6 x 4 pixels made of noise; the case `poisoned` has one voxel that is not a number. */
function noiseCases(spec: TrainingSpec, poisoned?: string): CaseCache {
  return {
    load: (id) => {
      const depth = spec.cases.find((item) => item.case === id)?.depth ?? 0;
      const random = counterRandom('noise', id);
      const image = Float32Array.from({ length: depth * 24 }, (_, i) => random.uniformAt(i) * 4 - 2);
      const label = Uint8Array.from(image, (value) => (value > 1.5 ? 2 : value > 0.5 ? 1 : 0));
      if (id === poisoned) image.fill(Number.NaN, 24 * 5, 24 * 5 + 1);
      return Promise.resolve({ image, label, depth, rows: 6, columns: 4 } as PreparedCase);
    },
  };
}

export interface TinyRun {
  spec: TrainingSpec;
  engine: Engine;
  network: Network;
  layout: VectorLayout;
  stepper: Stepper;
  start: () => TrainingState;
}

export async function openTinyRun(
  o: { spec?: TrainingSpec; kind?: 'reference' | 'native'; poisoned?: string } = {},
): Promise<TinyRun> {
  const spec = o.spec ?? tinySpec();
  const engine = await openEngine({ kind: o.kind ?? 'reference' });
  const network = buildNetwork(spec.network);
  const layout = vectorLayout(
    network.gradientLength,
    network.statisticsLength,
    spec.shards,
    network.headNames,
  );
  const sampler = createStepSampler(spec);
  const cases = noiseCases(spec, o.poisoned);
  const stepper = createStepper({ spec, engine, network, layout, sampler, cases });
  return { spec, engine, network, layout, stepper, start: () => initialState(network, spec.seed) };
}

/** Sums the shards' vectors here, having asked for them in the given order; hears of every call. */
export function reducerIn(
  { spec, layout }: TinyRun,
  order: readonly number[],
  o: { wire?: WireFormat; onReduce?: (step: number, weightsSha256: string) => void } = {},
): Reducer {
  const { length, gradientLength: roundedLength } = layout;
  const alone = aloneReducer(spec.shards, length, { wire: o.wire ?? 'float32', roundedLength, order });
  return {
    ...alone,
    async reduce(step, weightsSha256, compute) {
      o.onReduce?.(step, weightsSha256);
      const found = await alone.reduce(step, weightsSha256, compute);
      return found.kind === 'badShard' ? found : { ...found, waitSeconds: 0.25 };
    },
  };
}

export const bytesOf = (values: Float32Array): Buffer =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);
