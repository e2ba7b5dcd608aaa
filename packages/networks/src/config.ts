import { z } from 'zod';

/** Every network that can be built. */
export const networkNames = ['lv-net'] as const;

export type NetworkName = (typeof networkNames)[number];

/** The `network:` section of an experiment. Defaults are the paper's LV-Net. */
export const networkConfigSchema = z.strictObject({
  name: z.literal('lv-net').default('lv-net'),
  /** Channels inside a block are this many times those outside (epsilon). */
  expansionRate: z.number().int().min(1).max(16).default(4),
  /** Edge of the depthwise and the stem kernel. */
  kernel: z.literal([3, 5, 7]).default(5),
  /** Channels at full resolution; they double at each level. */
  baseWidth: z.number().int().min(1).max(64).default(8),
  /** Resolutions, the bottom included; there are levels - 1 supervised heads. */
  levels: z.number().int().min(2).max(6).default(5),
  blocksPerStage: z.number().int().min(1).max(8).default(4),
  classes: z.number().int().min(2).max(16).default(2),
  activation: z.enum(['elu', 'relu']).default('elu'),
});

export type NetworkConfig = z.infer<typeof networkConfigSchema>;

/** Every axis of the input must divide by this. */
export const inputMultiple = (config: Pick<NetworkConfig, 'levels'>): number => 2 ** (config.levels - 1);
