import type { Triple } from '@lvnet/kernels';
import type { NetworkConfig } from './config.js';
import { networkOf } from './definitions.js';
import { memoryOf, type DeviceKind } from './memory.js';
import { singleValueNorm } from './single-value.js';

/** What a device with so much memory can train; null where not even the smallest that trains fits. */
export interface LargestFit {
  /** LV-Net's epsilon, all else as given. */
  expansionRate: number | null;
  /** Samples of one shard, all else as given. */
  samples: number | null;
  /** [slices, rows, columns] of one sample, rows and columns alike, slices as given. */
  patch: Triple | null;
}

export function largestFit(
  config: NetworkConfig,
  size: Triple,
  device: DeviceKind,
  bytes: number,
): LargestFit {
  const fits = (c: NetworkConfig, s: Triple, samples = 1) =>
    memoryOf(c, s, samples)[device].trainingBytes <= bytes;
  const trains = (s: Triple, samples = 1) => singleValueNorm(config, s, samples) === undefined;
  const { multiple, leastSize } = networkOf(config);
  const step = Math.max(multiple.sizes[1], multiple.sizes[2], 8);
  const square = (edge: number): Triple => [size[0], edge * step, edge * step];
  const isLarge = (edge: number) => edge * step >= leastSize && trains(square(edge));
  const edge = largest(Math.floor(4096 / step), (n) => !isLarge(n) || fits(config, square(n)));
  const samples = largest(1024, (n) => fits(config, size, n));
  return {
    expansionRate:
      config.name === 'lv-net' ? largest(16, (n) => fits({ ...config, expansionRate: n }, size)) : null,
    samples: samples === null || !trains(size, samples) ? null : samples,
    patch: edge === null || !isLarge(edge) ? null : square(edge),
  };
}

/** The largest number up to a limit that holds, of a property that larger ones lose. */
function largest(limit: number, holds: (n: number) => boolean): number | null {
  let [low, high] = [0, limit + 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (holds(middle)) low = middle;
    else high = middle;
  }
  return low === 0 ? null : low;
}
