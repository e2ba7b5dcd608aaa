import type { Triple } from '@lvnet/kernels';
import type { NetworkConfig } from './config.js';
import { lengthOf } from './parameters.js';
import { planOf } from './plan.js';

/**
 * The first batch norm that would see one value per channel, whose variance nobody can tell; undefined where all see
 * more.
 *
 * @param size [slices, rows, columns]; must suit the network
 * @param samples of a shard, which form one batch
 */
export function singleValueNorm(config: NetworkConfig, size: Triple, samples: number): string | undefined {
  const isSingle = (voxels: Triple) => samples * lengthOf(voxels) < 2;
  return planOf(config, size).layers.find((layer) => layer.kind === 'batchNorm' && isSingle(layer.size))
    ?.name;
}
