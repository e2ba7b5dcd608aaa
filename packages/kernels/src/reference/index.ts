import type { KernelSet } from '../kernel-set.js';
import { block } from './block.js';
import { convolution } from './convolution.js';
import { denseConvolution } from './dense-convolution.js';
import { denseElements } from './dense-elements.js';
import { denseResampling } from './dense-resampling.js';
import { loss } from './loss.js';
import { normalisation } from './normalisation.js';
import { resampling } from './resampling.js';
import { vectors } from './vectors.js';

/** Plain loops with float64 sums: slow, obvious, and the judge of every other set of kernels. */
export const referenceKernels: KernelSet = {
  name: 'reference',
  allocate: (length) => new Float32Array(length),
  ...convolution,
  ...normalisation,
  ...resampling,
  ...loss,
  ...block,
  ...denseConvolution,
  ...denseResampling,
  ...denseElements,
  ...vectors,
};
