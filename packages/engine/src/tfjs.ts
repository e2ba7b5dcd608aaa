import { createRequire } from 'node:module';
import type * as types from '@tensorflow/tfjs-core';

/**
 * The one place where tfjs-core is loaded: every package that needs it takes it from here. Required, since an import
 * reads a CommonJS package once more, to find its names: 0.2 s of processor time, of a worker's 0.8 until it is ready.
 */
export const tf = createRequire(import.meta.url)('@tensorflow/tfjs-core') as typeof types;

// eslint-disable-next-line @typescript-eslint/no-namespace -- a constant has no types beside it otherwise
export declare namespace tf {
  export type BackendValues = types.BackendValues;
  export type DataStorage<T> = types.DataStorage<T>;
  export type DataType = types.DataType;
  export type KernelBackend = types.KernelBackend;
  export type NamedAttrMap = types.NamedAttrMap;
  export type NamedTensorInfoMap = types.NamedTensorInfoMap;
  export type Scalar = types.Scalar;
  export type Tensor<R extends types.Rank = types.Rank> = types.Tensor<R>;
  export type TensorContainer = types.TensorContainer;
  export type TensorInfo = types.TensorInfo;
}
