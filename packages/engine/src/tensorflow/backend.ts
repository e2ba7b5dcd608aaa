import { invariant } from '@lvnet/core';
import type { OwnBackend } from '../backend.js';
import { orOutOfMemory } from '../out-of-memory.js';
import { tf } from '../tfjs.js';
import { dropAside, settle } from './aside.js';
import type { Binding, OpAttribute } from './binding.js';

/** Memory of the device under one of the shapes that it can have, by the binding's number. */
interface Handle {
  id: number;
  shape: readonly number[];
}

/** What all tensors share that are one another's clones and reshapes. */
interface DeviceData {
  dtype: 'float32' | 'int32';
  refCount: number;
  /** The first is that which an operation made; absent while the values wait for the first one that reads them. */
  handles: [Handle, ...Handle[]] | undefined;
  values: Float32Array | Int32Array | undefined;
}

/** What an operation reads: a tensor, or whole numbers. */
export type OpInput = tf.TensorInfo | number | readonly number[] | readonly (readonly number[])[];

/** A tfjs backend over TensorFlow's eager operations: tensors live on the device, floats and whole numbers alone. */
export class TensorFlowBackend extends tf.KernelBackend implements OwnBackend {
  readonly binding: Binding;
  /** Blocks compute their hidden tensors again. */
  readonly keepBytes = 0;
  private readonly data: tf.DataStorage<DeviceData>;
  private readonly constants = new Map<string, number>();

  constructor(binding: Binding) {
    super();
    this.binding = binding;
    this.data = new tf.DataStorage(this, tf.engine());
  }

  /** Runs one operation. The results belong to the tfjs scope that is open. */
  run(name: string, attributes: readonly OpAttribute[], inputs: readonly OpInput[], count = 1): tf.Tensor[] {
    const ids = inputs.map((input) =>
      isTensor(input) ? this.handleOf(input, input.shape).id : this.constant(input),
    );
    return this.execute(name, attributes, ids, count).map(({ id, shape, dtype }) =>
      this.tensorOf({ id, shape }, dtype, shape),
    );
  }

  /**
   * Runs an operation that works number by number, on the shape that the first input's memory has already: reshaping
   * costs the host as much as any operation. The others are of its shape, or are broadcast to it.
   */
  runOnEach(name: string, attributes: readonly OpAttribute[], inputs: readonly tf.TensorInfo[]): tf.Tensor {
    const [x, ...others] = inputs;
    invariant(x !== undefined, 'an operation has an input');
    invariant(
      others.every((other) => isBroadcastTo(x.shape, other.shape)),
      `${name}: no inputs of [${inputs.map(({ shape }) => shape.join(',')).join('] and [')}] together`,
    );
    const shape = this.shapesIn(x, inputs) ?? x.shape;
    const ids = inputs.map(
      (input) => this.handleOf(input, sizeOf(input) === sizeOf(x) ? shape : input.shape).id,
    );
    const [y] = this.execute(name, attributes, ids, 1);
    invariant(y !== undefined, 'an operation has a result');
    return this.tensorOf(y, y.dtype, x.shape);
  }

  /** The shape of x's memory, where the operation means the same in it. */
  private shapesIn(x: tf.TensorInfo, inputs: readonly tf.TensorInfo[]): readonly number[] | undefined {
    const held = this.data.get(x.dataId).handles?.[0].shape;
    const fits = ({ shape }: tf.TensorInfo) =>
      shape.length === 0 || (shape.length === 1 && shape[0] === held?.at(-1)) || isSame(shape, x.shape);
    return held !== undefined && held.length > 0 && inputs.every(fits) ? held : undefined;
  }

  /** The same memory under another shape; the device hears of it when an operation needs it. */
  view(x: tf.TensorInfo, shape: readonly number[]): tf.Tensor {
    this.incRef(x.dataId);
    const { dataId, dtype } = x;
    return tf.engine().makeTensorFromTensorInfo({ dataId, dtype, shape: [...shape] });
  }

  /** Returns when the values are there: on GPUs, operations return before. */
  finish(x: tf.TensorInfo): void {
    const { id, shape } = this.handleOf(x, x.shape);
    const { TF_ATTR_TYPE: type, TF_FLOAT, TF_INT32 } = this.binding;
    const attributes = [
      { name: 'T', type, value: TF_FLOAT },
      { name: 'Index', type, value: TF_INT32 },
    ];
    const [start, size] = [0, 1].map((value) => this.constant(shape.map(() => value))) as [number, number];
    for (const one of this.execute('Slice', attributes, [id, start, size], 1)) {
      this.binding.tensorDataSync(one.id);
      this.binding.deleteTensor(one.id);
    }
  }

  /** Whole numbers on the device, which stay: networks ask for the same shapes again and again. */
  private constant(value: Whole): number {
    const key = JSON.stringify(value);
    const known = this.constants.get(key);
    if (known !== undefined) return known;
    const id = this.binding.createTensor(shapeOf(value), this.binding.TF_INT32, wholeNumbers(value));
    this.constants.set(key, id);
    return id;
  }

  private execute(name: string, attributes: readonly OpAttribute[], ids: readonly number[], count: number) {
    return orOutOfMemory(() => this.binding.executeOp(name, attributes, ids, count));
  }

  private tensorOf(handle: Handle, type: number, shape: readonly number[]): tf.Tensor {
    const dtype = type === this.binding.TF_INT32 ? 'int32' : 'float32';
    const dataId = {};
    this.data.set(dataId, { dtype, refCount: 1, handles: [handle], values: undefined });
    return tf.engine().makeTensorFromTensorInfo({ dataId, dtype, shape: [...shape] });
  }

  private handleOf({ dataId }: tf.TensorInfo, shape: readonly number[]): Handle {
    const data = this.data.get(dataId);
    if (data.handles === undefined) {
      invariant(data.values !== undefined, 'data are on the host or on the device');
      const type = data.dtype === 'int32' ? this.binding.TF_INT32 : this.binding.TF_FLOAT;
      data.handles = [{ id: this.binding.createTensor(shape, type, data.values), shape }];
      data.values = undefined;
    }
    const known = data.handles.find((handle) => isSame(handle.shape, shape));
    if (known !== undefined) return known;
    const reshaped = { id: this.reshape(data.handles[0].id, shape, data.dtype), shape };
    data.handles.push(reshaped);
    return reshaped;
  }

  private reshape(id: number, shape: readonly number[], dtype: 'float32' | 'int32'): number {
    const { TF_ATTR_TYPE: type, TF_FLOAT, TF_INT32 } = this.binding;
    const attributes = [
      { name: 'T', type, value: dtype === 'int32' ? TF_INT32 : TF_FLOAT },
      { name: 'Tshape', type, value: TF_INT32 },
    ];
    const [reshaped] = this.execute('Reshape', attributes, [id, this.constant(shape)], 1);
    invariant(reshaped !== undefined, 'an operation has a result');
    return reshaped.id;
  }

  /** Tensors never change here. */
  isSole(): boolean {
    return false;
  }

  addInto(): void {
    invariant(false, 'no tensor has its memory to itself');
  }

  settle(): void {
    settle();
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
    _shape: number[],
    dtype: tf.DataType,
    refCount: number,
  ): void {
    const whole = values instanceof Float32Array || values instanceof Int32Array;
    invariant(whole && (dtype === 'float32' || dtype === 'int32'), 'tensors are of float32 or int32');
    this.data.set(dataId, { dtype, refCount, handles: undefined, values });
  }

  override readSync(dataId: object): tf.BackendValues {
    const { handles, values } = this.data.get(dataId);
    return values ?? orOutOfMemory(() => this.binding.tensorDataSync(handles?.[0].id ?? -1));
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
    for (const { id } of data.handles ?? []) this.binding.deleteTensor(id);
    this.data.delete(dataId);
    return true;
  }

  override dispose(): void {
    // The binding ends with the process.
  }
}

const sizeOf = ({ shape }: tf.TensorInfo): number => tf.util.sizeFromShape(shape);
const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, axis) => size === b[axis]);

const isBroadcastTo = (whole: readonly number[], shape: readonly number[]): boolean =>
  shape.length <= whole.length &&
  shape.every((size, axis) => size === 1 || size === whole[whole.length - shape.length + axis]);

type Whole = Exclude<OpInput, tf.TensorInfo>;
const isTensor = (input: OpInput): input is tf.TensorInfo =>
  typeof input === 'object' && !Array.isArray(input);
const wholeNumbers = (input: Whole): Int32Array => Int32Array.from([input].flat<unknown[], 2>(2) as number[]);
function shapeOf(input: Whole): number[] {
  if (typeof input === 'number') return [];
  const [first] = input;
  return Array.isArray(first) ? [input.length, first.length] : [input.length];
}
