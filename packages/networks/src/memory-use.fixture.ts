/**
 * A process of its own that does nothing but a few training steps, or predictions; prints its peak of resident
 * bytes. The argument is a MemoryUse as JSON.
 */
import { openEngine } from '@lvnet/engine';
import type { Triple } from '@lvnet/kernels';
import {
  adamUpdate,
  buildNetwork,
  initialAdam,
  initialWeights,
  predictForeground,
  shardGradient,
  type DeviceKind,
} from './index.js';

export interface MemoryUse {
  network: Record<string, unknown>;
  size: Triple;
  samples: number;
  mode: 'training' | 'inference';
  engine: DeviceKind;
}

const {
  network: options,
  size,
  samples,
  mode,
  engine: kind,
} = JSON.parse(process.argv[2] ?? '') as MemoryUse;
/** The peak is that of the second: the first one's gradient still waits. One more shows whether something grows. */
const repetitions = kind === 'native' ? 3 : 2;
const engine = await openEngine({ kind, threads: 2 });
const network = buildNetwork(options);
const weights = initialWeights(network.config, 1);
const voxels = samples * size[0] * size[1] * size[2];
const image = Float32Array.from({ length: voxels }, (_, i) => Math.sin(i));
if (mode === 'training') train();
else for (let i = 0; i < repetitions; i++) predictForeground(engine, network, weights, image, size);
process.stdout.write(String(process.resourceUsage().maxRSS * 1024));

function train(): void {
  const label = Int32Array.from({ length: voxels }, (_, i) => i % 2);
  const adam = initialAdam(network);
  const eta = network.headNames.slice(1).map(() => 0.5);
  const o = { shape: [samples, ...size], eta, order: 'coarse-to-fine' } as const;
  for (let i = 0; i < repetitions; i++) {
    const { gradients } = shardGradient(engine, network, weights, image, label, o);
    adamUpdate(engine.kernels, weights.parameters, gradients, adam, { learningRate: 0.001, weightDecay: 0 });
  }
}
