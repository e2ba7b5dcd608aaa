import { createRequire } from 'node:module';
import { invariant } from '@lvnet/core';
import { defaultKeepBytes, type KernelSet } from '@lvnet/kernels';
import type * as cpu from '@tensorflow/tfjs-backend-cpu';
import { createBufferPool, type BufferPool } from './buffer-pool.js';
import { orOutOfMemory } from './out-of-memory.js';
import { tf } from './tfjs.js';

const { MathBackendCPU } = createRequire(import.meta.url)('@tensorflow/tfjs-backend-cpu') as typeof cpu;

/** What a backward pass asks of a backend of ours. */
export interface OwnBackend extends tf.KernelBackend {
  /** Bytes of hidden tensors that blocks may leave to their backward pass. */
  readonly keepBytes: number;
  /** Whether nothing else reads the memory of a tensor, so that others may be added into it. */
  isSole(tensor: tf.TensorInfo): boolean;
  addInto(into: tf.TensorInfo, from: tf.TensorInfo): void;
  /** Returns when a tensor's values are there, if operations return before. */
  finish(tensor: tf.TensorInfo): void;
  /** Hands out what operations of the pass that ends have still to tell the host. */
  settle(): void;
  /** Lets go of what operations left to a backward pass that is over or did not come. */
  endPass(): void;
}

/**
 * tfjs's cpu backend with our kernels beside (and, for a few hot operations, in place of) its own. Data
 * are plain Float32Arrays, handed to the kernels without a copy.
 */
export class KernelBackend extends MathBackendCPU implements OwnBackend {
  readonly kernels: KernelSet;
  readonly pool: BufferPool;
  keepBytes = defaultKeepBytes;

  constructor(kernels: KernelSet) {
    super();
    this.kernels = kernels;
    this.pool = createBufferPool((length) => orOutOfMemory(() => kernels.allocate(length), 4 * length));
    (this as unknown as { firstUse: boolean }).firstUse = false; // no banner
  }

  floatsOf(tensor: tf.TensorInfo): Float32Array {
    const { values } = this.data.get(tensor.dataId);
    invariant(values instanceof Float32Array, 'operations of ours take float32 tensors');
    return values;
  }

  /** A tensor over an array that nobody else changes from now on. */
  output(shape: readonly number[], values: Float32Array): tf.TensorInfo {
    return this.makeTensorInfo([...shape], 'float32', values);
  }

  isSole({ dataId, dtype }: tf.TensorInfo): boolean {
    if (dtype !== 'float32' || this.data.get(dataId).refCount !== 1) return false;
    return holders.get(this.floatsOf({ dataId, dtype, shape: [] }).buffer) === 1;
  }

  /** The sum is the same either way round. */
  addInto(into: tf.TensorInfo, from: tf.TensorInfo): void {
    this.kernels.add(this.floatsOf(into), this.floatsOf(from), this.floatsOf(into));
  }

  finish(): void {
    // Operations return when they are done.
  }

  settle(): void {
    // They told all there was.
  }

  endPass(): void {
    // Arrays that were left go with the attributes that hold them.
  }

  override write(...[values, ...rest]: Parameters<cpu.MathBackendCPU['write']>): object {
    hold(values);
    return super.write(values, ...rest);
  }

  override move(...[dataId, values, ...rest]: Parameters<cpu.MathBackendCPU['move']>): void {
    hold(values);
    super.move(dataId, values, ...rest);
  }

  /** @param force set when the data move to another backend, which goes on using the array */
  override disposeData(dataId: object, force = false): boolean {
    const values = this.data.has(dataId) ? this.data.get(dataId).values : undefined;
    const gone = super.disposeData(dataId, force);
    if (!gone || !(values instanceof Float32Array)) return gone;
    if (release(values) && !force) this.pool.give(values);
    return true;
  }
}

/**
 * How many live data lie in a piece of memory, over all backends: clones and reshapes are one, but a slice or
 * a tensor made of another's floats is data of its own over the same memory.
 */
const holders = new WeakMap<ArrayBufferLike, number>();

function hold(values: unknown): void {
  if (values instanceof Float32Array) holders.set(values.buffer, (holders.get(values.buffer) ?? 0) + 1);
}

/** True when nobody is left. */
function release({ buffer }: Float32Array): boolean {
  const left = (holders.get(buffer) ?? 1) - 1;
  if (left === 0) holders.delete(buffer);
  else holders.set(buffer, left);
  return left === 0;
}

/** Registers a backend under a tfjs name (which must not contain an underscore: tfjs would copy no kernels). */
export function registerBackend(name: string, kernels: KernelSet): void {
  if (tf.engine().registryFactory[name] !== undefined) return;
  tf.registerBackend(name, () => new KernelBackend(kernels), 1);
  tf.copyRegisteredKernels('cpu', name);
  replaceAdd(name);
}

/** The tape adds gradients of equal shape with tfjs's Add, which is slow on the cpu backend. */
function replaceAdd(name: string): void {
  const general = tf.getKernel('Add', 'cpu').kernelFunc;
  tf.unregisterKernel('Add', name);
  tf.registerKernel({
    kernelName: 'Add',
    backendName: name,
    kernelFunc: (call) => {
      const own = call.backend as KernelBackend;
      const { a, b } = call.inputs;
      const same = a !== undefined && a.shape.join() === b?.shape.join();
      if (!same || a.dtype !== 'float32' || b.dtype !== 'float32') return general(call);
      const sum = own.pool.take(own.floatsOf(a).length);
      own.kernels.add(own.floatsOf(a), own.floatsOf(b), sum);
      return own.output(a.shape, sum);
    },
  });
}
