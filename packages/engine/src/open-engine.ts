import { availableParallelism } from 'node:os';
import { Failure, invariant } from '@lvnet/core';
import { loadKernels, referenceKernels, type KernelSet } from '@lvnet/kernels';
import { registerBackend, type KernelBackend } from './backend.js';
import { registerOperations } from './operation.js';
import { loadBinding } from './tensorflow/binding.js';
import { tf } from './tfjs.js';

export type EngineKind = 'native' | 'reference' | 'tensorflow';

/** An open device with its kernels. One engine is current at a time in a process. */
export interface Engine {
  readonly kind: EngineKind;
  /** On arrays of the host, whatever the device. */
  readonly kernels: KernelSet;
  readonly instructionSet: string;
  readonly threads: number;
  /** What decides bytes beside what can be measured; empty for our own kernels, whose bytes depend on nothing else. */
  readonly traits: string;
  /** Operations return before they are done, so that only the reading of a result waits: on GPUs. */
  readonly asynchronous: boolean;
  /** Makes this engine the one on which operations run. */
  activate(): void;
  /**
   * Never changes a result, only its speed.
   *
   * @throws Failure('ENGINE_UNAVAILABLE') where threads do change results: on TensorFlow
   */
  setThreads(count: number): void;
  memory(): { tensorCount: number; bytes: number };
}

export interface EngineOptions {
  /** `auto`: our own kernels where they are built, else the plain loops. */
  kind: EngineKind | 'auto';
  /** Of the processor; default: all cores. The reference has one. */
  threads?: number;
  /**
   * Of hidden tensors that blocks may keep from forward to backward; what does not fit is made again, which takes a
   * twentieth longer and gives the same bits. Of our own engines only.
   */
  keepBytes?: number;
  /** Number of the GPU, for tensorflow; the processor is device 0 of all others. */
  device?: number;
  /** The most that tensorflow takes of its GPU's memory; default: what it needs. */
  deviceMemoryBytes?: number;
}

/** @throws Failure('ENGINE_UNAVAILABLE') where the kind cannot run here, Failure('DEVICE_UNAVAILABLE') */
export async function openEngine(o: EngineOptions): Promise<Engine> {
  const kind = o.kind === 'auto' ? bestKind() : o.kind;
  const name = `lvnet-${kind}`;
  const opened = kind === 'tensorflow' ? await openOnTensorFlow(name, o) : openOwn(name, kind, o);
  const { kernels, instructionSet, traits, asynchronous, setThreads } = opened;
  let { threads } = opened;
  const activate = () => {
    if (tf.getBackend() === name) return;
    void tf.setBackend(name); // takes effect at once: our backends open synchronously
    invariant(tf.getBackend() === name, 'a synchronous backend is current at once');
  };
  activate();
  await tf.ready();
  if (o.keepBytes !== undefined && kind !== 'tensorflow')
    (tf.backend() as KernelBackend).keepBytes = o.keepBytes;
  return {
    ...{ kind, kernels, instructionSet, traits, asynchronous, activate },
    get threads() {
      return threads;
    },
    setThreads(count) {
      setThreads(count);
      threads = count;
    },
    memory: () => {
      const { numTensors, numBytes } = tf.memory();
      return { tensorCount: numTensors, bytes: numBytes };
    },
  };
}

interface Opened extends Pick<Engine, 'kernels' | 'instructionSet' | 'threads' | 'traits' | 'asynchronous'> {
  setThreads: (count: number) => void;
}

const registered = new Set<string>();

function openOwn(name: string, kind: EngineKind, o: EngineOptions): Opened {
  const { kernels, instructionSet, setThreads } = kernelsOf(kind);
  if ((o.device ?? 0) !== 0) throw noDevice(kind, o.device ?? 0);
  registerBackend(name, kernels);
  if (!registered.has(name)) registerOperations(name);
  registered.add(name);
  const threads = kind === 'native' ? (o.threads ?? availableParallelism()) : 1;
  setThreads(threads);
  return { kernels, instructionSet, threads, traits: '', asynchronous: false, setThreads };
}

/** What stays on the host (Adam, probabilities of predictions) is done by our own kernels, alike on all engines. */
async function openOnTensorFlow(name: string, o: EngineOptions): Promise<Opened> {
  const { openTensorFlow } = await import('./tensorflow/open.js'); // the others need none of it
  const threads = o.threads ?? availableParallelism();
  const settings = { device: o.device ?? 0, threads, memoryBytes: o.deviceMemoryBytes };
  const { description, traits, isGpu } = openTensorFlow(name, settings);
  const host = loadKernels();
  host?.setThreads(threads);
  const setThreads = (count: number) => void loadBinding({ ...settings, threads: count });
  const kernels = host ?? referenceKernels;
  return { kernels, instructionSet: description, threads, traits, asynchronous: isGpu, setThreads };
}

const bestKind = (): EngineKind => (loadKernels() === undefined ? 'reference' : 'native');

function kernelsOf(kind: EngineKind): {
  kernels: KernelSet;
  instructionSet: string;
  setThreads: (count: number) => void;
} {
  if (kind === 'reference') {
    return { kernels: referenceKernels, instructionSet: 'javascript', setThreads: () => undefined };
  }
  const native = loadKernels();
  if (native === undefined) throw notBuilt();
  return { kernels: native, instructionSet: native.instructionSet, setThreads: native.setThreads };
}

function notBuilt(): Failure {
  return new Failure(
    'ENGINE_UNAVAILABLE',
    { engine: 'native' },
    {
      message: 'The native kernels are not built.',
      hint: 'Install g++ and run `npm run setup`, or use --engine reference (very slow).',
    },
  );
}

function noDevice(engine: EngineKind, device: number): Failure {
  return new Failure(
    'DEVICE_UNAVAILABLE',
    { engine, device },
    {
      message: `There is no device ${String(device)}: the ${engine} engine computes on the processor, device 0.`,
      hint: 'Leave --device out; share the processor with --threads.',
    },
  );
}
