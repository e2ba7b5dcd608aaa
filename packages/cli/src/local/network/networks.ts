import { describe, networkNames, type InputSize, type NetworkDescription } from '@lvnet/networks';
import { print, table } from '../../cluster/print.js';
import { configureNetwork } from './configure.js';
import { networkLines } from './network-table.js';

export interface NetworksFlags {
  input?: [number, number, number];
  layers?: boolean;
  set: string[];
  json?: boolean;
}

export function showNetworks(name: string | undefined, flags: NetworksFlags): void {
  const one = (wanted: string) => describe(configureNetwork(wanted, flags.set), flags.input ?? paperInput);
  if (name === undefined) {
    const all = networkNames.map(one);
    print(flags.json === true, { networks: all.map(summaryOf) }, () => overviewLines(all));
    return;
  }
  const found = one(name);
  print(flags.json === true, { ...summaryOf(found), ...detailsOf(found) }, () =>
    networkLines(found, flags.layers === true),
  );
}

const paperInput: InputSize = [16, 256, 256];

const summaryOf = ({ name, input, parameters, gflops, macs, storageMiB }: NetworkDescription) => ({
  ...{ name, input, parameters, gflops, macs, storageMiB },
});

const detailsOf = ({ config, stateTensors, trainingBytes, layers }: NetworkDescription) => ({
  config,
  stateTensors,
  memory: { native: { trainingBytes: trainingBytes.native } },
  layers,
});

function overviewLines(all: readonly NetworkDescription[]): string[] {
  return table([
    ['network', 'input', 'parameters', 'GFLOPs', 'MiB'],
    ...all.map((item) => [
      item.name,
      item.input.join('x'),
      item.parameters.toLocaleString('en'),
      item.gflops.toFixed(2),
      item.storageMiB.toFixed(2),
    ]),
  ]);
}
