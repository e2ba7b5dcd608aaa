import type { LayerDescription, NetworkDescription } from '@lvnet/networks';

interface Row {
  name: string;
  output: readonly number[];
  parameters: number;
  flops: number;
}

/** A network for people: one line for each stage, or for each layer, then the totals. */
export function networkLines(network: NetworkDescription, everyLayer: boolean): string[] {
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
    `multiply-adds of the convolutions  ${(network.macs / 1e9).toFixed(3)} G`,
    `size of the weights                ${network.storageMiB.toFixed(2)} MiB`,
    `kept for the backward pass         ${(network.trainingBytes.native / 2 ** 20).toFixed(0)} MiB for each sample (native engine), beside the weights`,
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
