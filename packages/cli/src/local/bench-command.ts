import type { Command } from 'commander';
import {
  engineOption,
  jsonOption,
  parseCount,
  parseSizes,
  settingsOption,
  threadsOption,
} from '../options.js';
import type { BenchFlags } from './bench/bench.js';

export function registerBenchCommand(program: Command): void {
  program
    .command('bench')
    .description('Measure where the time of a training step goes: by operation, by stage, as a flame chart')
    .option('--network <name>', 'u-net, ce-net, 3d-u-net, v-net or lv-net', 'lv-net')
    .option(
      '--input <D,H,W>',
      'slices, rows and columns of one sample (default: 16,128,128; of networks for images 1,256,256)',
      parseSizes,
    )
    .addOption(engineOption())
    .addOption(threadsOption())
    .option('--rounds <number>', 'steps of which the fastest is shown', parseCount, 5)
    .option('--svg <file>', 'the flame chart (default: bench-<network>.svg, here)')
    .addOption(settingsOption('expansionRate=6'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
GFLOP/s count two operations for each multiply-add of a direct convolution, taps
beyond the border included; a gradient costs as much by the input, and as much by
the weights, as the forward pass. What kernels save (Winograd) or do twice is not
counted, so the share of the FMA peak, which is measured, may pass 100 %. Bytes
are those of the tensors that an operation reads and writes, each once.

The sample and the weights are made up and the same each time. Operations and
what lies between them add up to the step. Optimizer included; reading of data,
exchange and checkpoints are not (npm run bench step times those).

The reference engine takes minutes: give it a small --input, as 16,32,32.
On a GPU every operation is waited for, so that the step takes longer than in a
run; the FMA peak is not known there.

Example:
  npx lvnet bench --network v-net --input 16,128,128 --svg v-net.svg
`,
    )
    .action(async (flags: BenchFlags) => {
      const { benchNetwork } = await import('./bench/bench.js');
      await benchNetwork(flags);
    });
}
