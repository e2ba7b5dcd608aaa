import { Option, type Command } from 'commander';
import { engineOption, jsonOption, storeOption, threadsOption } from '../options.js';
import type { EvaluateFlags } from './evaluate/evaluate.js';
import type { ExportFlags } from './export.js';
import type { PredictFlags } from './predict/predict.js';

const reference = `
A checkpoint is RUN, RUN@best, RUN@last or RUN@STEP, where RUN is a run's id, the
beginning of one, or the newest run of that name; or the path or URL of a
checkpoint's folder. RUN alone means the best checkpoint of a run that was
validated, else the last.
`;

export function registerResultCommands(program: Command): void {
  registerPredict(program);
  registerEvaluate(program);
  program
    .command('export')
    .description('Copy the weights of a checkpoint into a file that PyTorch reads')
    .argument('<checkpoint>', 'run or folder, see below')
    .requiredOption('--out <file>', 'where they go')
    .addOption(
      new Option('--format <format>', 'format of the file')
        .choices(['safetensors', 'onnx'])
        .default('safetensors'),
    )
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${reference}\nExample:\n  npx lvnet export liver-baseline@best --out liver.safetensors\n`,
    )
    .action(async (checkpoint: string, flags: ExportFlags) => {
      const { exportWeights } = await import('./export.js');
      await exportWeights(checkpoint, flags);
    });
}

function registerPredict(program: Command): void {
  program
    .command('predict')
    .description('Segment the liver in scans with a trained network')
    .requiredOption('--checkpoint <checkpoint>', 'run or folder, see below')
    .requiredOption('--input <path>', 'a scan, or a folder of scans')
    .requiredOption('--out <folder>', 'where the label maps go; made when absent')
    .option('--probabilities', 'also write the probability of liver as float32, into <folder>/probabilities')
    .addOption(engineOption())
    .addOption(threadsOption())
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${reference}
Label maps hold 0 and 1 (liver), have the scan's own grid, place and orientation,
and are called as in LiTS: volume-28.nii gives segmentation-28.nii,
test-volume-3.nii gives test-segmentation-3.nii; any other scan keeps its name.
In a folder every .nii and .nii.gz counts, segmentations aside; of the MSD
layout, imagesTr and imagesTs. A label map of an earlier prediction is replaced.

Example:
  npx lvnet predict --checkpoint liver-baseline@best --input ~/scans --out ~/masks
`,
    )
    .action(async (flags: PredictFlags) => {
      const { predictScans } = await import('./predict/predict.js');
      await predictScans(flags);
    });
}

function registerEvaluate(program: Command): void {
  program
    .command('evaluate')
    .description('Measure predicted label maps against reference ones with the metrics of LiTS')
    .requiredOption('--reference <path>', 'a label map, or a folder of them (LiTS and MSD folders too)')
    .requiredOption('--prediction <path>', 'the same, predicted')
    .option(
      '--lits-scorer',
      'write 9001 for what is not defined and average it in, as the official scorer does',
    )
    .option('--allow-missing', 'leave out reference cases that have no prediction, and say which')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Every label but 0 counts as liver. The metrics:
  dice
  voe          volumetric overlap error
  rvd, rvdAbs  relative volume difference, signed and absolute
  assdMm       surface distances, both directions pooled: their mean,
  rmsdMm         root mean square,
  mssdMm         maximum
  hd95Mm         and 95th percentile
Distances use the reference's spacing. With an empty mask some metrics have no
value: they are left out of the mean, and counted.

Files of two folders belong together by their case number (segmentation-28.nii,
liver_28.nii.gz), else by their name.

Example:
  npx lvnet evaluate --reference ~/lits --prediction ~/masks --json
`,
    )
    .action(async (flags: EvaluateFlags) => {
      const { evaluateMasks } = await import('./evaluate/evaluate.js');
      await evaluateMasks(flags);
    });
}
