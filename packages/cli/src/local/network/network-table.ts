import {
  deviceKinds,
  type DeviceKind,
  type LayerDescription,
  type NetworkDescription,
} from '@lvnet/networks/description';
import { table } from '../../cluster/print.js';
import { formatBytes } from '../../views/format.js';
import type { MemoryFacts } from './memory-facts.js';

interface Row {
  name: string;
  output: readonly number[];
  parameters: number;
  flops: number;
}

/** A network for people: one line for each stage, or for each layer, then the totals. */
export function networkLines(
  network: NetworkDescription,
  memory: MemoryFacts,
  availableBytes: number,
  everyLayer: boolean,
): string[] {
  const rows = everyLayer ? network.layers : stagesOf(network.layers);
  const width = Math.max(...rows.map((row) => row.name.length), 5);
  const line = (name: string, output: string, parameters: string, gflops: string) =>
    `${name.padEnd(width)}  ${output.padEnd(20)}  ${parameters.padStart(12)}  ${gflops.padStart(9)}`;
  const rule = '-'.repeat(width + 47);
  return [
    `${network.name}, one sample of ${network.input.join(' x ')} voxels (slices x rows x columns)`,
    '',
    line(everyLayer ? 'layer' : 'stage', 'output [C, D, H, W]', 'parameters', 'GFLOPs'),
    rule,
    ...rows.map((row) =>
      line(row.name, `[${row.output.join(', ')}]`, grouped(row.parameters), (row.flops / 1e9).toFixed(3)),
    ),
    rule,
    line('total', '', grouped(network.parameters), network.gflops.toFixed(3)),
    '',
    `multiply-adds of the convolutions    ${(network.macs / 1e9).toFixed(3)} G`,
    `size of the weights                  ${network.storageMiB.toFixed(2)} MiB`,
    ...memoryLines(memory, availableBytes),
    'beside it in a worker'.padEnd(37) +
      `up to ${formatBytes(besideInWorker * network.storageMiB * 2 ** 20)}`,
  ];
}

/**
 * What a worker holds for the exchange (vectors of its shards, sums, shared memory) and for checkpoints on their way to
 * the store, in sizes of the weights: 7 to 25 were seen, most with two workers and a checkpoint after every step.
 */
const besideInWorker = 25;

/** By device kind, a column each. */
function memoryLines(memory: MemoryFacts, bytes: number): string[] {
  const shown = (value: number | null) => (value === null ? 'none' : String(value));
  const patch = (edges: readonly number[] | null) => edges?.join(' x ') ?? 'none';
  const row = (title: string, cell: (facts: MemoryFacts[DeviceKind]) => string) =>
    title.padEnd(37) +
    deviceKinds
      .map((kind) => cell(memory[kind]).padEnd(20))
      .join('')
      .trimEnd();
  const largest = deviceKinds.map((kind) => memory[kind].largest);
  return [
    'memory, one sample'.padEnd(37) +
      deviceKinds
        .map((kind) => kind.padEnd(20))
        .join('')
        .trimEnd(),
    row('  of a training step', ({ trainingBytes }) => formatBytes(trainingBytes)),
    row('  of it kept for the backward pass', ({ keptBytes }) => formatBytes(keptBytes)),
    row('  of a prediction', ({ inferenceBytes }) => formatBytes(inferenceBytes)),
    row(`largest in ${formatBytes(bytes)}: samples`, (facts) => shown(facts.largest.samples)),
    row('  or one sample of', (facts) => patch(facts.largest.patch)),
    ...(largest.every(({ expansionRate }) => expansionRate === null)
      ? []
      : [row('  or epsilon', (facts) => shown(facts.largest.expansionRate))]),
  ];
}

interface Overview {
  name: string;
  input: readonly number[];
  parameters: number;
  gflops: number;
  storageMiB: number;
  paper: { parameters: number; gflops: number; storageMb: number };
}

/** The paper's Table 3 and Table 1, counted and as printed there. */
export function overviewLines(
  all: readonly Overview[],
  t: { channels: number; kernel: number; expansionRate: number; block: number; vanilla: number } & {
    paperBlock: number;
    paperVanilla: number;
  },
): string[] {
  const share = (block: number, vanilla: number) => `${((100 * block) / vanilla).toFixed(2)} %`;
  return [
    'Table 3, counted, beside what the paper prints',
    '',
    ...table([
      ['network', 'input', 'parameters', 'paper', 'GFLOPs', 'paper', 'MiB', 'paper'],
      ...all.map(({ paper, ...item }) => [
        item.name,
        item.input.join('x'),
        ...[grouped(item.parameters), grouped(paper.parameters)],
        ...[item.gflops.toFixed(2), paper.gflops.toFixed(2)],
        ...[item.storageMiB.toFixed(2), paper.storageMb.toFixed(2)],
      ]),
    ]),
    '',
    `Table 1, at C = ${String(t.channels)}, k = ${String(t.kernel)}, epsilon = ${String(t.expansionRate)}: weights, counted and printed`,
    '',
    ...table([
      ['IRB block', grouped(t.block), grouped(t.paperBlock), share(t.block, t.vanilla)],
      ['vanilla convolution', grouped(t.vanilla), grouped(t.paperVanilla), '100 %'],
    ]),
  ];
}

/** Layers that begin with the same word belong together; the last one's output is the stage's. */
export function stagesOf(layers: readonly LayerDescription[]): Row[] {
  const stages = new Map<string, Row>();
  for (const layer of layers) {
    const name = layer.name.split('.')[0] ?? layer.name;
    const before = stages.get(name);
    stages.set(name, {
      name,
      output: layer.output,
      parameters: (before?.parameters ?? 0) + layer.parameters,
      flops: (before?.flops ?? 0) + layer.flops,
    });
  }
  return [...stages.values()];
}

const grouped = (count: number): string => count.toLocaleString('en');
