import { cpus } from 'node:os';
import { Failure } from '@lvnet/core';
import { tf } from '../tfjs.js';
import { TensorFlowBackend } from './backend.js';
import { loadBinding, type DeviceSettings } from './binding.js';
import { cudaLibraries, gpuModel } from './gpus.js';
import { registerTensorFlowKernels } from './kernels.js';

export interface OpenedTensorFlow {
  /** Version and kind of device, for people. */
  description: string;
  /** All that decides bytes and that a small computation may not show. */
  traits: string;
  isGpu: boolean;
}

/**
 * Registers the backend under a tfjs name, on the device that the settings name.
 *
 * @throws Failure('ENGINE_UNAVAILABLE' | 'DEVICE_UNAVAILABLE')
 */
export function openTensorFlow(backendName: string, settings: DeviceSettings): OpenedTensorFlow {
  const { binding, cuda, folder } = loadBinding(settings);
  const isGpu = binding.isUsingGpuDevice();
  if (!isGpu && (cuda === true || settings.device > 0)) throw noDevice(settings.device, cuda);
  if (tf.engine().registryFactory[backendName] === undefined) {
    tf.registerBackend(backendName, () => new TensorFlowBackend(binding), 1);
    registerTensorFlowKernels(backendName);
  }
  const model = isGpu ? gpuModel(settings.device) : (cpus()[0]?.model ?? 'processor');
  const oneDnn = process.env['TF_ENABLE_ONEDNN_OPTS'] ?? 'default';
  return {
    description: `tensorflow-${binding.TF_Version}-${isGpu ? 'gpu' : 'cpu'}`,
    traits: [
      `TensorFlow ${binding.TF_Version}`,
      isGpu
        ? ['GPU', ...cudaLibraries(folder)].join(', ')
        : `processor, ${String(settings.threads)} threads, oneDNN ${oneDnn}`,
      model,
    ].join('; '),
    isGpu,
  };
}

function noDevice(device: number, cuda: boolean | undefined): Failure {
  const found =
    cuda === true
      ? 'TensorFlow finds no such NVIDIA GPU'
      : "TensorFlow's build here computes on the processor, device 0";
  const hint =
    cuda === true
      ? 'Look at nvidia-smi and CUDA_VISIBLE_DEVICES; npx lvnet setup tensorflow, without --cuda, installs a build for processors.'
      : 'Leave --device out, or run npx lvnet setup tensorflow --cuda on a machine with NVIDIA GPUs.';
  return new Failure(
    'DEVICE_UNAVAILABLE',
    { engine: 'tensorflow', device },
    { message: `There is no device ${String(device)}: ${found}.`, hint },
  );
}
