import { counterRandom, sha256Hex } from '@lvnet/core';
import type { Engine } from '@lvnet/engine';
import { buildNetwork, initialWeights, shardGradient } from '@lvnet/networks';

/**
 * SHA-256 of a fixed small training step: engines with equal fingerprints give equal bytes and may share a
 * run. Measured, not declared: compilers, instruction sets and libraries all have their say. Where larger tensors may
 * be computed in other ways than small ones, on TensorFlow, what decides about that counts too.
 */
export function engineFingerprint(engine: Engine): string {
  const network = buildNetwork({ baseWidth: 8, levels: 3, blocksPerStage: 1, expansionRate: 2, kernel: 5 });
  const shape = [1, 4, 12, 20] as const;
  const voxels = 4 * 12 * 20;
  const random = counterRandom('fingerprint');
  const image = Float32Array.from({ length: voxels }, (_, i) => random.uniformAt(i) * 4 - 2);
  const label = Int32Array.from({ length: voxels }, (_, i) => random.uint32At(voxels + i) % 2);
  const weights = initialWeights(network.config, 1);
  const options = { shape, eta: [0.4, 0.8], order: 'coarse-to-fine' } as const;
  const { gradients, statistics, losses } = shardGradient(engine, network, weights, image, label, options);
  const parts = [gradients, statistics, Float32Array.from(losses)].map((part) => new Uint8Array(part.buffer));
  return sha256Hex(Buffer.concat([...parts, Buffer.from(engine.traits)]));
}
