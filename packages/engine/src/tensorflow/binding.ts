import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure } from '@lvnet/core';

/** An attribute of a TensorFlow operation. */
export interface OpAttribute {
  name: string;
  type: number;
  value: number | boolean | string | readonly number[];
}

/** tfjs-node's binding to TensorFlow's C interface, as far as it is used; tensors go by their numbers. */
export interface Binding {
  readonly TF_Version: string;
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  readonly TF_ATTR_STRING: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_TYPE: number;
  createTensor(
    shape: readonly number[],
    dtype: number,
    values: Float32Array | Int32Array | Uint8Array,
  ): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): Float32Array | Int32Array;
  executeOp(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly number[],
    outputCount: number,
  ): { id: number; shape: number[]; dtype: number }[];
  isUsingGpuDevice(): boolean;
}

/** How a process uses TensorFlow; fixed when it is loaded. */
export interface DeviceSettings {
  device: number;
  threads: number;
  /** The most of a GPU's memory that is taken; undefined: as much as is needed. */
  memoryBytes?: number | undefined;
}

export interface LoadedBinding {
  binding: Binding;
  settings: DeviceSettings;
  /** Whether the library was made for GPUs; undefined where somebody else installed it. */
  cuda: boolean | undefined;
  /** Where it lies. */
  folder: string;
}

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../../../../', import.meta.url));
let loaded: LoadedBinding | undefined;

/**
 * Loads TensorFlow once for the process; later calls must ask for the same.
 *
 * @throws Failure('ENGINE_UNAVAILABLE') where it is not installed, does not load or is loaded with other settings
 */
export function loadBinding(settings: DeviceSettings): LoadedBinding {
  loaded ??= load(settings);
  const { threads, device } = loaded.settings;
  if (threads === settings.threads && device === settings.device) return loaded;
  throw unavailable(
    `TensorFlow computes with ${String(threads)} threads on device ${String(device)} in this process, which cannot change any more.`,
    'Open it with the same settings, or in a process of its own.',
  );
}

/** The file that would be loaded, and whether it was made for GPUs. */
export function findBinding(
  env: NodeJS.ProcessEnv = process.env,
): { path: string; cuda: boolean | undefined } | undefined {
  const folder = env['LVNET_TENSORFLOW'] ?? join(root, '.cache/tools/tensorflow');
  const own = join(folder, 'tfjs_binding.node');
  if (existsSync(own)) return { path: own, cuda: isCuda(folder) };
  if (env['LVNET_TENSORFLOW'] !== undefined) return undefined;
  const peer = peerFolder();
  const built = peer === undefined ? '' : join(peer, 'lib/napi-v8/tfjs_binding.node');
  return existsSync(built) ? { path: built, cuda: undefined } : undefined;
}

/** Whether the tensorflow engine is set up, on whatever device. */
export const isTensorFlowInstalled = (): boolean => findBinding() !== undefined;

function isCuda(folder: string): boolean | undefined {
  const path = join(folder, 'tensorflow.json');
  if (!existsSync(path)) return undefined;
  return (JSON.parse(readFileSync(path, 'utf8')) as { cuda: boolean }).cuda;
}

/** Of the optional peer, where somebody installed it himself. */
function peerFolder(): string | undefined {
  try {
    return dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json'));
  } catch {
    return undefined;
  }
}

function load(settings: DeviceSettings): LoadedBinding {
  const found = findBinding();
  if (found === undefined) {
    throw unavailable(
      'The tensorflow engine is not set up.',
      'Run npx lvnet setup tensorflow (for NVIDIA GPUs: with --cuda), or use --engine native.',
    );
  }
  Object.assign(process.env, environmentOf(settings, process.env));
  try {
    const [binding, folder] = [require(found.path) as Binding, dirname(found.path)];
    return { binding, settings, cuda: found.cuda, folder };
  } catch (cause) {
    throw unavailable(
      `TensorFlow does not load: ${cause instanceof Error ? cause.message : String(cause)}`,
      `Run npx lvnet setup tensorflow again, after removing ${dirname(found.path)}.`,
      cause,
    );
  }
}

/**
 * What TensorFlow reads from the environment while it loads: the device, how it takes memory, and that the same
 * inputs give the same bytes. TF32 would round products to ten bits.
 */
export function environmentOf(
  { device, threads, memoryBytes }: DeviceSettings,
  env: NodeJS.ProcessEnv,
): Record<string, string> {
  const visible = env['CUDA_VISIBLE_DEVICES']?.split(',').filter((name) => name !== '');
  return {
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
    CUDA_VISIBLE_DEVICES: visible === undefined ? String(device) : (visible[device] ?? '-1'),
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    ...(memoryBytes === undefined
      ? {}
      : { LVNET_DEVICE_MEMORY_MIB: String(Math.floor(memoryBytes / 2 ** 20)) }),
    TF_DETERMINISTIC_OPS: '1',
    TF_CUDNN_DETERMINISTIC: '1',
    TF_CUDNN_USE_AUTOTUNE: '0',
    NVIDIA_TF32_OVERRIDE: '0',
    TF_NUM_INTRAOP_THREADS: String(threads),
    TF_NUM_INTEROP_THREADS: '1',
    TF_CPP_MIN_LOG_LEVEL: env['TF_CPP_MIN_LOG_LEVEL'] ?? '2',
  };
}

function unavailable(message: string, hint: string, cause?: unknown): Failure {
  return new Failure('ENGINE_UNAVAILABLE', { engine: 'tensorflow' }, { message, hint, cause });
}
