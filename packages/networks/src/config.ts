import { z } from 'zod';

const classes = z.number().int().min(2).max(16).default(2);

/** The paper's network; its defaults are the paper's. */
export const lvNetSchema = z.strictObject({
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
  classes,
  activation: z.enum(['elu', 'relu']).default('elu'),
});

const uNetSchema = z.strictObject({
  name: z.literal('u-net'),
  /** Channels at full resolution; they double at each of the first three halvings. */
  baseWidth: z.number().int().min(1).max(128).default(64),
  classes,
});

const ceNetSchema = z.strictObject({
  name: z.literal('ce-net'),
  /** Channels of the first layers. */
  baseWidth: z.number().int().min(4).max(128).multipleOf(4).default(64),
  /** What the three input channels hold: the slice, or its neighbours too (at a block's end the last again). */
  context: z.enum(['repeat', 'neighbours']).default('repeat'),
  /** The network has three outputs; for two classes the third is left out. */
  classes: z.number().int().min(2).max(3).default(2),
});

const threeDUNetSchema = z.strictObject({
  name: z.literal('3d-u-net'),
  /** Channels of the first unit; a multiple of 32 where groups stay. */
  baseWidth: z.number().int().min(1).max(64).default(32),
  /** Of every group normalisation; they divide baseWidth. */
  groups: z.number().int().min(1).max(64).default(32),
  classes,
});

const vNetSchema = z.strictObject({
  name: z.literal('v-net'),
  /** Channels at full resolution; they double at each halving. */
  baseWidth: z.number().int().min(1).max(64).default(16),
  classes,
});

/** The `network:` section of an experiment. Without a name it is LV-Net's. */
export const networkConfigSchema = z.union([
  lvNetSchema,
  uNetSchema,
  ceNetSchema,
  threeDUNetSchema,
  vNetSchema,
]);

export type LvNetConfig = z.infer<typeof lvNetSchema>;
export type UNetConfig = z.infer<typeof uNetSchema>;
export type CeNetConfig = z.infer<typeof ceNetSchema>;
export type ThreeDUNetConfig = z.infer<typeof threeDUNetSchema>;
export type VNetConfig = z.infer<typeof vNetSchema>;
export type NetworkConfig = z.infer<typeof networkConfigSchema>;
export type NetworkName = NetworkConfig['name'];
