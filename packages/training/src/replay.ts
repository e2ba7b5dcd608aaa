import { readCheckpoint, type StepRecord } from '@lvnet/checkpoints';
import { sleep } from '@lvnet/core';
import type { Engine } from '@lvnet/engine';
import type { WireFormat } from '@lvnet/exchange';
import { buildNetwork } from '@lvnet/networks';
import type { Store } from '@lvnet/store';
import { aloneReducer } from './alone.js';
import { createCaseCache } from './case-cache.js';
import { createStepSampler } from './sampling.js';
import type { TrainingSpec } from './spec.js';
import { startState, startStepOf } from './start.js';
import { fromCheckpoint, type TrainingState } from './state.js';
import { createStepper } from './stepper.js';
import { vectorLayout } from './vector-layout.js';

export interface ReplayOptions {
  spec: TrainingSpec;
  wire: WireFormat;
  engine: Engine;
  store: Store;
  /** A step with a checkpoint, or the one that the run starts after. */
  fromStep: number;
  toStep: number;
  /** Sees every step, and the state after it, whose arrays the next step changes. */
  onStep?: (record: StepRecord, state: TrainingState) => void;
  signal?: AbortSignal;
}

/**
 * Does steps again in this process alone, without Redis: the weights must come out as the same bytes,
 * whoever did them first and whatever went wrong then.
 *
 * @throws Failure('CANCELLED') once the signal aborts, between two steps
 */
export async function replaySteps(o: ReplayOptions): Promise<TrainingState> {
  const { spec, engine, store } = o;
  const network = buildNetwork(spec.network);
  const layout = vectorLayout(
    network.gradientLength,
    network.statisticsLength,
    spec.shards,
    network.headNames,
  );
  const sampler = createStepSampler(spec);
  const cases = createCaseCache(store, spec.cases);
  const stepper = createStepper({ spec, engine, network, layout, sampler, cases });
  let state =
    o.fromStep === startStepOf(spec)
      ? await startState(network, spec, store)
      : fromCheckpoint(network, (await readCheckpoint(store, spec.run, o.fromStep)).state);
  const reducer = aloneReducer(spec.shards, layout.length, {
    wire: o.wire,
    roundedLength: layout.gradientLength,
  });
  while (state.step < o.toStep) {
    const outcome = await stepper.step(state, reducer);
    state = outcome.state;
    o.onStep?.(outcome.record, state);
    await sleep(0, o.signal); // a step never lets go of the thread: Ctrl-C is heard here
  }
  return state;
}
