import { availableParallelism } from 'node:os';
import { Failure, invariant } from '@lvnet/core';
import { loadKernels, referenceKernels, type KernelSet } from '@lvnet/kernels';
import { registerBackend, type KernelBackend } from './backend.js';
import { registerOperations } from './operation.js';
import { tf } from './tfjs.js';

export type EngineKind = 'native' | 'reference' | 'tensorflow';

/** An open device with its kernels. One engine is current at a time in a process. */
export interface Engine {
  readonly kind: EngineKind;
  readonly kernels: KernelSet;
  readonly instructionSet: string;
  readonly threads: number;
  /** Makes this engine the one on which operations run. */
  activate(): void;
  /** Never changes a result, only its speed. */
  setThreads(count: number): void;
  memory(): { tensorCount: number; bytes: number };
}

const registered = new Set<string>();

/**
 * @param o.kind `auto`: our own kernels where they are built, else the plain loops
 * @param o.threads of the native engine; default: all cores
 * @param o.keepBytes of hidden tensors that blocks may keep from forward to backward; what does not fit is made
 *   again, which takes a twentieth longer and gives the same bits
 * @param o.device number of the device; the processor is the only one of our own engines
 * @throws Failure('ENGINE_UNAVAILABLE') where the kind cannot run here, Failure('DEVICE_UNAVAILABLE')
 */
export async function openEngine(o: {
  kind: EngineKind | 'auto';
  threads?: number;
  keepBytes?: number;
  device?: number;
}): Promise<Engine> {
  const kind = o.kind === 'auto' ? bestKind() : o.kind;
  const { kernels, instructionSet, setThreads } = kernelsOf(kind);
  if ((o.device ?? 0) !== 0) throw noDevice(kind, o.device ?? 0);
  const name = `lvnet-${kind}`;
  registerBackend(name, kernels);
  if (!registered.has(name)) registerOperations(name);
  registered.add(name);
  let threads = kind === 'native' ? (o.threads ?? availableParallelism()) : 1;
  setThreads(threads);
  const activate = () => {
    if (tf.getBackend() === name) return;
    void tf.setBackend(name); // takes effect at once: our backends open synchronously
    invariant(tf.getBackend() === name, 'a synchronous backend is current at once');
  };
  activate();
  await tf.ready();
  if (o.keepBytes !== undefined) (tf.backend() as KernelBackend).keepBytes = o.keepBytes;
  return {
    kind,
    kernels,
    instructionSet,
    get threads() {
      return threads;
    },
    activate,
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

const bestKind = (): EngineKind => (loadKernels() === undefined ? 'reference' : 'native');

function kernelsOf(kind: EngineKind): {
  kernels: KernelSet;
  instructionSet: string;
  setThreads: (count: number) => void;
} {
  if (kind === 'reference') {
    return { kernels: referenceKernels, instructionSet: 'javascript', setThreads: () => undefined };
  }
  const native = kind === 'native' ? loadKernels() : undefined;
  if (native !== undefined) {
    return { kernels: native, instructionSet: native.instructionSet, setThreads: native.setThreads };
  }
  throw kind === 'native' ? notBuilt() : notYet();
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

function notYet(): Failure {
  return new Failure(
    'ENGINE_UNAVAILABLE',
    { engine: 'tensorflow' },
    {
      message: 'The tensorflow engine comes in a later version.',
      hint: 'Use --engine native.',
    },
  );
}
