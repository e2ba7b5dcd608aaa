import { lvNetSchema, type NetworkConfig, type NetworkName } from './config.js';
import { describe } from './describe.js';

/** Table 3 of the paper: parameters, GFLOPs, storage in MB. */
export const paperTable3: Record<NetworkName, { parameters: number; gflops: number; storageMb: number }> = {
  'u-net': { parameters: 13_394_242, gflops: 123.96, storageMb: 51.15 },
  'ce-net': { parameters: 29_003_668, gflops: 35.78, storageMb: 110.77 },
  '3d-u-net': { parameters: 16_320_322, gflops: 1032.8, storageMb: 62.27 },
  'v-net': { parameters: 65_173_903, gflops: 516.12, storageMb: 248.69 },
  'lv-net': { parameters: 1_659_282, gflops: 58.07, storageMb: 6.56 },
};

/** Table 1 of the paper, for C = 64, k = 5, epsilon = 4: weights of a block and of the convolution it replaces. */
export const paperTable1 = { channels: 64, kernel: 5, expansionRate: 4, block: 64_768, vanilla: 512_000 };

/**
 * Table 1, counted: the weights (no biases, no norms) of an inverted-residual block, and of a convolution of the same
 * kernel and channels.
 */
export function countTable1(o: { channels: number; kernel: 3 | 5 | 7; expansionRate: number }) {
  const { channels, kernel, expansionRate } = o;
  // The second level, whose blocks have no biases.
  const given: NetworkConfig = lvNetSchema.parse({
    ...{ baseWidth: channels / 2, kernel, expansionRate },
    ...{ levels: 2, blocksPerStage: 1 },
  });
  const block = describe(given, [2, 2, 2])
    .layers.filter(({ name }) => /^bottom\.0\.(expand|depthwise|project)$/.test(name))
    .reduce((sum, { parameters }) => sum + parameters, 0);
  return { block, vanilla: kernel ** 3 * channels ** 2 };
}
