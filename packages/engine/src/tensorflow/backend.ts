import { invariant } from '@lvnet/core';
import type { OwnBackend } from '../backend.js';
import { orOutOfMemory } from '../out-of-memory.js';
import { tf } from '../tfjs.js';
import { dropAside } from './aside.js';
import type { Binding, OpAttribute } from './binding.js';

interface DeviceData {
  shape: number[];
  dtype: 'float32' | 'int32';
  refCount: number;
  /** The binding's number; absent while the values wait on the host for the first operation that reads them. */
  id: number | undefined;
  values: Float32Array | Int32Array | undefined;
}

/** What an operation reads: a tensor, or whole numbers that only this operation needs. */
export type OpInput = tf.TensorInfo | number | readonly number[] | readonly (readonly number[])[];

/** A tfjs backend over TensorFlow's eager operations: tensors live on the device, floats and whole numbers alone. */
export class TensorFlowBackend extends tf.KernelBackend implements OwnBackend {
  readonly binding: Binding;
  /** Blocks compute their hidden tensors again. */
  readonly keepBytes = 0;
  private readonly data: tf.DataStorage<DeviceData>;

  constructor(binding: Binding) {
    super();
    this.binding = binding;
    this.data = new tf.DataStorage(this, tf.engine());
  }

  /** Runs one operation. The results belong to the tfjs scope that is open. */
  run(name: string, attributes: readonly OpAttribute[], inputs: readonly OpInput[], count = 1): tf.Tensor[] {
    const passing: number[] = [];
    const ids = inputs.map((input) => {
      if (isTensor(input)) return this.idOf(input.dataId);
      const id = this.binding.createTensor(shapeOf(input), this.binding.TF_INT32, wholeNumbers(input));
      passing.push(id);
      return id;
    });
    try {
      return orOutOfMemory(() => this.binding.executeOp(name, attributes, ids, count)).map(
        ({ id, shape, dtype }) => this.tensorOf(id, shape, dtype),
      );
    } finally {
      for (const id of passing) this.binding.deleteTensor(id);
    }
  }

  private tensorOf(id: number, shape: number[], type: number): tf.Tensor {
    const dtype = type === this.binding.TF_INT32 ? 'int32' : 'float32';
    const dataId = {};
    this.data.set(dataId, { shape, dtype, refCount: 1, id, values: undefined });
    return tf.engine().makeTensorFromTensorInfo({ dataId, shape, dtype });
  }

  private idOf(dataId: object): number {
    const data = this.data.get(dataId);
    if (data.id === undefined) {
      invariant(data.values !== undefined, 'data are on the host or on the device');
      const type = data.dtype === 'int32' ? this.binding.TF_INT32 : this.binding.TF_FLOAT;
      data.id = this.binding.createTensor(data.shape, type, data.values);
      data.values = undefined;
    }
    return data.id;
  }

  /** Tensors never change here. */
  isSole(): boolean {
    return false;
  }

  addInto(): void {
    invariant(false, 'no tensor has its memory to itself');
  }

  endPass(): void {
    dropAside();
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }

  override numDataIds(): number {
    return this.data.numDataIds();
  }

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: object,
    values: tf.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    refCount: number,
  ): void {
    const whole = values instanceof Float32Array || values instanceof Int32Array;
    invariant(whole && (dtype === 'float32' || dtype === 'int32'), 'tensors are of float32 or int32');
    this.data.set(dataId, { shape, dtype, refCount, id: undefined, values });
  }

  override readSync(dataId: object): tf.BackendValues {
    const { id, values } = this.data.get(dataId);
    return values ?? orOutOfMemory(() => this.binding.tensorDataSync(id ?? -1));
  }

  override read(dataId: object): Promise<tf.BackendValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  override refCount(dataId: object): number {
    return this.data.has(dataId) ? this.data.get(dataId).refCount : 0;
  }

  override incRef(dataId: object): void {
    this.data.get(dataId).refCount++;
  }

  /** @param force set when the data move to another backend */
  override disposeData(dataId: object, force = false): boolean {
    if (!this.data.has(dataId)) return true;
    const data = this.data.get(dataId);
    data.refCount--;
    if (!force && data.refCount > 0) return false;
    if (data.id !== undefined) this.binding.deleteTensor(data.id);
    this.data.delete(dataId);
    return true;
  }

  override dispose(): void {
    // The binding ends with the process.
  }
}

type Whole = Exclude<OpInput, tf.TensorInfo>;
const isTensor = (input: OpInput): input is tf.TensorInfo =>
  typeof input === 'object' && !Array.isArray(input);
const wholeNumbers = (input: Whole): Int32Array => Int32Array.from([input].flat<unknown[], 2>(2) as number[]);
function shapeOf(input: Whole): number[] {
  if (typeof input === 'number') return [];
  const [first] = input;
  return Array.isArray(first) ? [input.length, first.length] : [input.length];
}
