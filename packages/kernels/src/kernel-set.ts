import type { DenseKernels } from './dense-kernels.js';
import type { VolumeShape } from './volume-shape.js';

/** Stride 1, zero padding that keeps the size, odd k. */
export interface ConvShape extends VolumeShape {
  ci: number;
  co: number;
  k: number;
}

export interface DepthwiseShape extends VolumeShape {
  c: number;
  k: number;
}

export type Activation = 'none' | 'elu' | 'relu';
export type BlockActivation = Exclude<Activation, 'none'>;

/** Per-channel batch normalisation; variance is the biased one. */
export interface NormParameters {
  mean: Float32Array;
  variance: Float32Array;
  gamma: Float32Array;
  beta: Float32Array;
  epsilon: number;
}

/** An inverted-residual block: expand, BN, act, depthwise, BN, act, project, BN, + input. */
export interface IrbShape extends VolumeShape {
  c: number;
  expanded: number;
  /** 3, 5 or 7 */
  k: number;
}

/** Weights in PyTorch layouts: expand [expanded, c], depthwise [expanded, 1, k, k, k], project [c, expanded]. */
export interface IrbWeights {
  expandWeight: Float32Array;
  expandBias: Float32Array | null;
  gamma1: Float32Array;
  beta1: Float32Array;
  depthwiseWeight: Float32Array;
  depthwiseBias: Float32Array | null;
  gamma2: Float32Array;
  beta2: Float32Array;
  projectWeight: Float32Array;
  projectBias: Float32Array | null;
  gamma3: Float32Array;
  beta3: Float32Array;
}

/** Batch statistics of the three normalisations; variances biased. */
export interface IrbStatistics {
  mean1: Float32Array;
  variance1: Float32Array;
  mean2: Float32Array;
  variance2: Float32Array;
  mean3: Float32Array;
  variance3: Float32Array;
}

export interface IrbOptions {
  epsilon: number;
  activation: BlockActivation;
  /**
   * Whether forward leaves its hidden tensor (`expanded` floats per voxel) to backward, which otherwise makes it
   * again from x: a quarter more time for a fifth of the memory. Never changes a result.
   */
  keepHidden?: boolean;
}

/** Moments and rates of one Adam update over elements from..to-1; `step` counts from 1. */
export interface AdamUpdate {
  weights: Float32Array;
  /** Sum over so many samples: the update takes the mean. */
  gradient: Float32Array;
  samples: number;
  m: Float32Array;
  v: Float32Array;
  from: number;
  to: number;
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  step: number;
}

/**
 * Numerical kernels on plain arrays. Outputs are overwritten, never read. The plain-loop set judges all
 * others; the bits of one set never depend on its number of threads.
 */
export interface KernelSet extends DenseKernels {
  readonly name: string;
  /** An array for large data, its contents undefined. Throws an error with code OUT_OF_MEMORY and `bytes`. */
  allocate(length: number): Float32Array;
  /** weight [co, ci, k, k, k], bias [co]. */
  conv3dForward(
    s: ConvShape,
    x: Float32Array,
    weight: Float32Array,
    bias: Float32Array | null,
    y: Float32Array,
  ): void;
  /** The same, then the activation, for predictions. */
  conv3dInfer(
    s: ConvShape,
    x: Float32Array,
    weight: Float32Array,
    bias: Float32Array | null,
    activation: Activation,
    y: Float32Array,
  ): void;
  conv3dBackwardInput(s: ConvShape, dy: Float32Array, weight: Float32Array, dx: Float32Array): void;
  conv3dBackwardFilter(
    s: ConvShape,
    x: Float32Array,
    dy: Float32Array,
    dweight: Float32Array,
    dbias: Float32Array | null,
  ): void;
  /** weight [c, 1, k, k, k]. */
  depthwise3dForward(
    s: DepthwiseShape,
    x: Float32Array,
    weight: Float32Array,
    bias: Float32Array | null,
    y: Float32Array,
  ): void;
  depthwise3dBackwardInput(s: DepthwiseShape, dy: Float32Array, weight: Float32Array, dx: Float32Array): void;
  depthwise3dBackwardFilter(
    s: DepthwiseShape,
    x: Float32Array,
    dy: Float32Array,
    dweight: Float32Array,
    dbias: Float32Array | null,
  ): void;
  /** x [rows, c]. */
  batchNormStatistics(
    rows: number,
    c: number,
    x: Float32Array,
    mean: Float32Array,
    variance: Float32Array,
  ): void;
  /** y = act(gamma (x - mean) / sqrt(variance + epsilon) + beta) + residual. */
  batchNormForward(
    rows: number,
    c: number,
    x: Float32Array,
    p: NormParameters,
    activation: Activation,
    residual: Float32Array | null,
    y: Float32Array,
  ): void;
  /** The gradient through the batch's own statistics. */
  batchNormBackward(
    rows: number,
    c: number,
    x: Float32Array,
    p: NormParameters,
    activation: Activation,
    dy: Float32Array,
    dx: Float32Array,
    dgamma: Float32Array,
    dbeta: Float32Array,
  ): void;
  /** 2x2x2 means, stride 2; d, h, w are the input's and even. */
  averagePoolForward(s: VolumeShape & { c: number }, x: Float32Array, y: Float32Array): void;
  averagePoolBackward(s: VolumeShape & { c: number }, dy: Float32Array, dx: Float32Array): void;
  /** Trilinear, align_corners false, added to `onto`; d, h, w are the input's. */
  upsampleForward(
    s: VolumeShape & { c: number },
    factor: number,
    x: Float32Array,
    onto: Float32Array | null,
    y: Float32Array,
  ): void;
  upsampleBackward(s: VolumeShape & { c: number }, factor: number, dy: Float32Array, dx: Float32Array): void;
  /** p [rows]: the softmax's probability of every class but the first, which is the background. */
  foreground(rows: number, classes: number, logits: Float32Array, p: Float32Array): void;
  /** The mean over rows; dlogits, where wanted, is the gradient of that mean. */
  softmaxCrossEntropy(
    rows: number,
    classes: number,
    logits: Float32Array,
    labels: Int32Array,
    dlogits: Float32Array | null,
  ): number;
  /** Elements of `saved`, which carries intermediate results from forward to backward. */
  irbSavedLength(s: IrbShape, o: Pick<IrbOptions, 'keepHidden'>): number;
  /** Training forward; fills the statistics and, where given, `saved`. */
  irbForward(
    s: IrbShape,
    x: Float32Array,
    p: IrbWeights,
    o: IrbOptions,
    y: Float32Array,
    statistics: IrbStatistics,
    saved: Float32Array | null,
  ): void;
  irbBackward(
    s: IrbShape,
    x: Float32Array,
    p: IrbWeights,
    o: IrbOptions,
    statistics: IrbStatistics,
    saved: Float32Array,
    dy: Float32Array,
    dx: Float32Array,
    gradients: IrbWeights,
  ): void;
  /** With running statistics (variance as PyTorch keeps it). */
  irbInfer(
    s: IrbShape,
    x: Float32Array,
    p: IrbWeights,
    o: IrbOptions,
    statistics: IrbStatistics,
    y: Float32Array,
  ): void;
  /** sum = a + b; all of one length, and the sum may take the place of either. */
  add(a: Float32Array, b: Float32Array, sum: Float32Array): void;
  /**
   * The sum of a tree, on the calling thread alone, which waits for no other.
   *
   * @param sources each as long as the sum at least, which may be one of them; Uint16Array is bfloat16
   * @param order the additions in postfix: i stands for source i, -1 for the sum of the two before it
   * @param rounded every source and every sum is rounded to the values of bfloat16
   */
  addTree(
    sources: readonly (Float32Array | Uint16Array)[],
    order: Int32Array,
    rounded: boolean,
    sum: Float32Array,
  ): void;
  /** To bfloat16, nearest even; NaN stays NaN. */
  roundToBf16(into: Uint16Array, from: Float32Array): void;
  fromBf16(into: Float32Array, from: Uint16Array): void;
  scaleInto(into: Float32Array, factor: number): void;
  isAllFinite(values: Float32Array): boolean;
  /** Of the bits, an integer below 2^53: another one after any change within one value, and as good as surely after any other. */
  checksum(values: Float32Array): number;
  /**
   * In float64 and a fixed order: parts of 65,536 elements; element i of a part belongs to sum i mod 8, the eight are
   * added in order, and so are the parts.
   */
  sumOfSquares(values: Float32Array): number;
  /** PyTorch's Adam with coupled weight decay; each operation rounded to float32 in a fixed order. */
  adamStep(update: AdamUpdate): void;
}
