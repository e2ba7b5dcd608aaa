import type { Engine } from '@lvnet/engine';
import type { Network } from '@lvnet/networks';
import type { CaseCache } from './case-cache.js';
import type { StepSampler } from './sampling.js';
import type { TrainingSpec } from './spec.js';
import type { VectorLayout } from './vector-layout.js';

/** What a step needs, besides the state. */
export interface StepperParts {
  spec: TrainingSpec;
  engine: Engine;
  network: Network;
  layout: VectorLayout;
  sampler: StepSampler;
  cases: CaseCache;
}
