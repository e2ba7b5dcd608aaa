import type { Command } from 'commander';
import {
  engineOption,
  jsonOption,
  parseBytes,
  parseSeed,
  parseSizes,
  settingsOption,
  threadsOption,
} from '../options.js';
import type { InitFlags } from './network/init.js';
import type { NetworksFlags } from './network/networks.js';
import type { TraceFlags } from './network/trace.js';

export function registerNetworkCommands(program: Command): void {
  program
    .command('networks')
    .description(
      "Show what a network costs: parameters, operations, memory; without a name the paper's tables",
    )
    .argument('[name]', 'network, as lv-net')
    .option('--input <D,H,W>', 'slices, rows and columns of one sample', parseSizes)
    .option('--memory <bytes>', "what must fit, as 11GB (default: this machine's memory)", parseBytes)
    .option('--layers', 'every layer, not one line for each stage')
    .addOption(settingsOption('expansionRate=6'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Networks: u-net, ce-net, 3d-u-net, v-net, lv-net. Without a name Table 3 of the
paper is counted anew beside its figures, and Table 1.

GFLOPs follow the paper's counting rule: a multiply-add is one operation, a
batch norm takes four for each element. The multiply-adds are those of the
convolutions alone. Defaults are the paper's network and input. Memory is that
of a process that trains one sample at a time, or predicts. A worker holds
more, for the exchange and for checkpoints on their way to the store: so far up
to 25 times the weights. A dry run does not count that.

Example:
  npx lvnet networks lv-net --input 16,256,256 --set expansionRate=6
`,
    )
    .action(async (name: string | undefined, flags: NetworksFlags) => {
      const { showNetworks } = await import('./network/networks.js');
      showNetworks(name, flags);
    });
  program
    .command('init')
    .description("Write the initial weights of a network, with PyTorch's names and layouts")
    .argument('<name>', 'network, as lv-net')
    .requiredOption(
      '--seed <number>',
      'decides the weights; a run starts from those of its own seed',
      parseSeed,
    )
    .requiredOption('--out <file>', 'safetensors file')
    .addOption(settingsOption('expansionRate=6'))
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  npx lvnet init lv-net --seed 7 --out weights.safetensors\n')
    .action(async (name: string, flags: InitFlags) => {
      const { writeInitialWeights } = await import('./network/init.js');
      await writeInitialWeights(name, flags);
    });
  registerTrace(program);
}

function registerTrace(program: Command): void {
  program
    .command('trace')
    .description('Do one forward and backward pass on given tensors, to compare engines and PyTorch')
    .argument('<name>', 'network, as lv-net')
    .requiredOption('--weights <file>', "safetensors file with PyTorch's names")
    .requiredOption('--batch <file>', 'safetensors file: image [N,1,D,H,W] float32, label [N,D,H,W] int32')
    .requiredOption('--out <file>', 'safetensors file for the results')
    .addOption(engineOption())
    .addOption(threadsOption())
    .addOption(settingsOption('network.kernel=3 or loss.eta=[0.2,0.4,0.6,0.8]'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
All N samples form one shard: one set of batch statistics. Labels are classes; in a
network of two classes 2 (tumour) counts as 1, as in training. The result holds
  logits.main, logits.1 ..    [N,classes,D,H,W], the heads from coarse to fine
  loss, loss.main, loss.1 ..  the total, and each head's mean cross entropy
  grad.<parameter>            of the total loss; the L2 term is left out
  stats.<norm>.mean, .var     running statistics after one update (momentum 0.1)

Example:
  npx lvnet trace lv-net --weights w.safetensors --batch b.safetensors \\
    --out trace.safetensors
`,
    )
    .action(async (name: string, flags: TraceFlags) => {
      const { traceBatch } = await import('./network/trace.js');
      await traceBatch(name, flags);
    });
}
