import { readFileSync, readdirSync } from 'node:fs';

const folder = '/proc/driver/nvidia/gpus';

/** What the driver calls a GPU, by its position on the bus; a number where it does not say. */
export function gpuModel(device: number, env: NodeJS.ProcessEnv = process.env): string {
  const visible = env['CUDA_VISIBLE_DEVICES'] ?? String(device);
  try {
    const buses = readdirSync(folder).sort();
    const text = readFileSync(`${folder}/${buses[Number(visible)] ?? ''}/information`, 'utf8');
    return /^Model:\s*(.+)$/m.exec(text)?.[1] ?? `GPU ${visible}`;
  } catch {
    return `GPU ${visible}`;
  }
}
