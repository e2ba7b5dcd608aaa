import type { Activation, BlockActivation, ResizeRule, Triple } from '@lvnet/kernels';

/**
 * The words in which networks are written. What a word does with a T depends on who reads: one reader draws the
 * plan (names, shapes, counts, memory), one computes on tensors. So a network is written once, and its state,
 * its costs and its passes cannot differ. Names are those of PyTorch's state.
 */
export interface Layers<T> {
  /** Whether the deep-supervision heads are wanted: in training only. */
  readonly supervised: boolean;
  /** Voxels along slices, rows and columns. */
  sizeOf(x: T): Triple;
  convolution(x: T, name: string, o: Convolution): T;
  transposedConvolution(x: T, name: string, o: TransposedConvolution): T;
  /** Batch normalisation, then the activation. */
  batchNorm(x: T, name: string, activation: Activation): T;
  /** Group normalisation of the rectified input. */
  rectifiedGroupNorm(x: T, name: string, groups: number): T;
  relu(x: T): T;
  /** A rectifier whose one slope is trained. */
  prelu(x: T, name: string): T;
  /** Expand, normalise, activate, depthwise, normalise, activate, project, normalise, add the input. */
  invertedResidual(x: T, name: string, o: InvertedResidual): T;
  /**
   * A pointwise convolution and the means over 2x2x2 voxels of its result. Computed the other way round: the same
   * by linearity, an eighth of the work.
   */
  pooledConvolution(x: T, name: string, channels: number, poolName: string): T;
  maxPool(x: T, name: string, o: { kernel: number; stride: number; padding: number }): T;
  /** Trilinear by a whole factor, by half-way pixels; added to `onto`, if given. */
  upsample(x: T, name: string, factor: number, onto?: T): T;
  resize(x: T, name: string, to: Triple, rule: ResizeRule): T;
  add(a: T, b: T): T;
  concat(xs: readonly T[]): T;
  /** One channel as so many. */
  repeatChannel(x: T, channels: number): T;
  /** The first channels. */
  firstChannels(x: T, channels: number): T;
}

/** Square or cubic, as the network is made for images or volumes; numbers hold along each of its axes. */
export interface Convolution {
  channels: number;
  kernel: number;
  stride?: number;
  /** Default: what keeps the size at stride 1. */
  padding?: number;
  dilation?: number;
  bias?: boolean;
}

export interface TransposedConvolution {
  channels: number;
  kernel: number;
  stride: number;
  padding?: number;
  outputPadding?: number;
  bias?: boolean;
}

export interface InvertedResidual {
  expansionRate: number;
  kernel: number;
  activation: BlockActivation;
  bias: boolean;
}

/** What a network makes of an image: scores of each class, full size; heads from coarse to fine. */
export interface Scores<T> {
  main: T;
  heads: readonly T[];
}
