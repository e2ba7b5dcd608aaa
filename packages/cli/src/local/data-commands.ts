import type { Command } from 'commander';
import {
  jsonOption,
  parseCount,
  parseSeed,
  parseShare,
  parseSizes,
  parseWindow,
  storeOption,
} from '../options.js';
import type { PhantomFlags } from './data/phantom.js';
import type { PrepareFlags } from './data/prepare.js';
import type { SplitFlags } from './data/split.js';

const layouts = `
Layouts: volume-N.nii[.gz] with segmentation-N.nii[.gz] (LiTS), or
imagesTr/liver_N.nii.gz with labelsTr/liver_N.nii.gz (MSD).
Labels: 0 background, 1 liver, 2 tumour; 1 and 2 both count as liver.
`;

export function registerDataCommands(program: Command): void {
  const data = program
    .command('data')
    .description('Make, check, prepare and split folders of scans')
    .helpCommand(false);
  registerPhantom(data);
  data
    .command('check')
    .description(
      'Read every case of a folder and say what is wrong or odd; exit code 2 when a case cannot be used',
    )
    .argument('<folder>', 'folder of scans in LiTS or MSD layout')
    .addOption(jsonOption())
    .addHelpText('after', `${layouts}\nExample:\n  npx lvnet data check ~/lits\n`)
    .action(async (folder: string, flags: { json?: boolean }) => {
      const { checkData } = await import('./data/check.js');
      await checkData(folder, flags);
    });
  registerPrepare(data);
  registerSplit(data);
}

function registerPhantom(data: Command): void {
  data
    .command('phantom')
    .description('Write synthetic cases in LiTS layout; the same seed gives the same files on every machine')
    .requiredOption('--out <folder>', 'where they go; made when absent')
    .requiredOption('--cases <number>', 'how many', parseCount)
    .requiredOption('--shape <D,H,W>', 'slices, rows and columns of each scan', parseSizes)
    .option('--seed <number>', 'which patients', parseSeed, 0)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExample:\n  npx lvnet data phantom --out phantoms --cases 20 --shape 32,64,64 --seed 1\n',
    )
    .action(async (flags: PhantomFlags) => {
      const { makePhantoms } = await import('./data/phantom.js');
      await makePhantoms(flags);
    });
}

function registerPrepare(data: Command): void {
  data
    .command('prepare')
    .description('Bring every labelled case of a folder into the store in prepared form, ready for training')
    .argument('<folder>', 'folder of scans in LiTS or MSD layout')
    .option(
      '--patch <D,H,W>',
      'as data.patch of the experiment: slices are resized to H x W',
      parseSizes,
      [16, 256, 256],
    )
    .option('--window <low,high>', 'as data.windowHu of the experiment', parseWindow, [-200, 200])
    .addOption(storeOption())
    .option('--jobs <number>', 'cases at a time, up to 2 GB of memory each', parseCount, 2)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${layouts}
Runs prepare what they need by themselves; this does it ahead of time. Cases are
found again by their content: what is in the store already is left alone, and a
run with the same patch and window uses it.

Example:
  npx lvnet data prepare ~/lits --patch 16,256,256 --window -200,200 --store ~/lvnet-store
`,
    )
    .action(async (folder: string, flags: PrepareFlags) => {
      const { prepareData } = await import('./data/prepare.js');
      await prepareData(folder, flags);
    });
}

function registerSplit(data: Command): void {
  data
    .command('split')
    .description(
      'Draw which cases train, validate and test, and write it down as a file; or check such a file',
    )
    .argument('<folder>', 'folder of scans in LiTS or MSD layout')
    .option('--train <share>', 'count or fraction of the cases', parseShare, 0.7)
    .option('--validation <share>', 'count or fraction', parseShare, 0.1)
    .option('--test <share>', 'count or fraction', parseShare, 0.2)
    .option('--seed <number>', 'decides the draw', parseSeed, 0)
    .option('--out <file>', 'where the split goes', 'split.json')
    .option('--force', 'write over another split in that file')
    .option('--check <file>', 'draw nothing: check this split against the folder')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Counts and fractions do not mix: 90 10 31, or 0.7 0.1 0.2. The file names every
case with the hash of its content; an experiment takes it as data.split.

Example:
  npx lvnet data split ~/lits --train 90 --validation 10 --test 31 --seed 7 --out split.json
  npx lvnet data split ~/lits --check split.json
`,
    )
    .action(async (folder: string, flags: SplitFlags) => {
      const { splitData } = await import('./data/split.js');
      await splitData(folder, flags);
    });
}
