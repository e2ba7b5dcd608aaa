import type { Command } from 'commander';
import { jsonOption } from '../options.js';

export function registerVolumeCommand(program: Command): void {
  program
    .command('volume')
    .description('Show what a scan or label map is: size, spacing, place, values, hash')
    .argument('<file>', 'NIfTI-1 file, .nii or .nii.gz')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
The affine maps voxel indices to millimetres (x to the right, y forwards, z up):
the sform if its code is above 0, else the qform, else the voxel sizes. The hash
is the SHA-256 of the voxels, scaled, as float32, little-endian, x fastest: the
same for a file and its compressed copy.

Example:
  npx lvnet volume ~/lits/volume-28.nii --json
`,
    )
    .action(async (file: string, flags: { json?: boolean }) => {
      const { showVolume } = await import('./volume.js');
      await showVolume(file, flags);
    });
}
