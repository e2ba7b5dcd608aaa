import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { findBinding } from './binding.js';

const driverFolder = '/proc/driver/nvidia/gpus';

/** What the driver calls a GPU, by its position on the bus; a number where it does not say. */
export function gpuModel(device: number, env: NodeJS.ProcessEnv = process.env): string {
  const visible = env['CUDA_VISIBLE_DEVICES'] ?? String(device);
  try {
    const buses = readdirSync(driverFolder).sort();
    const text = readFileSync(`${driverFolder}/${buses[Number(visible)] ?? ''}/information`, 'utf8');
    return /^Model:\s*(.+)$/m.exec(text)?.[1] ?? `GPU ${visible}`;
  } catch {
    return `GPU ${visible}`;
  }
}

/**
 * How many GPUs the tensorflow engine that is set up here can be given by `device`: 0 for a build for processors,
 * and where none is set up.
 */
export function usableGpus(env: NodeJS.ProcessEnv = process.env): number {
  const found = findBinding(env);
  if (found === undefined || found.cuda === false) return 0;
  return countGpus(env, driverFolder);
}

/** Those that the user left visible, or all that the driver has. */
export function countGpus(env: NodeJS.ProcessEnv, folder: string): number {
  const visible = env['CUDA_VISIBLE_DEVICES'];
  if (visible !== undefined) return visible.split(',').filter((name) => name !== '' && name !== '-1').length;
  try {
    return readdirSync(folder).length;
  } catch {
    return 0;
  }
}

/**
 * The libraries that compute on GPUs, as `cudnn 9.28.0.42`, by what pip left beside the binding: from one version to
 * the next they may choose other kernels, and large tensors others than small ones.
 *
 * @param folder of the binding
 */
export function cudaLibraries(folder: string): string[] {
  try {
    return readdirSync(join(folder, 'deps'))
      .map((name) => /^nvidia_(cublas|cudnn)(?:_cu\d+)?-(.+)\.dist-info$/.exec(name))
      .filter((found) => found !== null)
      .map(([, library = '', version = '']) => `${library} ${version}`)
      .sort();
  } catch {
    return []; // somebody else installed them
  }
}
