import { totalmem } from 'node:os';
import {
  countTable1,
  describe,
  networkNames,
  paperTable1,
  paperTable3,
  type InputSize,
  type NetworkDescription,
} from '@lvnet/networks/description';
import { print } from '../../cluster/print.js';
import { configureNetwork } from './configure.js';
import { memoryFacts } from './memory-facts.js';
import { networkLines, overviewLines } from './network-table.js';

export interface NetworksFlags {
  input?: InputSize;
  memory?: number;
  layers?: boolean;
  set: string[];
  json?: boolean;
}

export function showNetworks(name: string | undefined, flags: NetworksFlags): void {
  const json = flags.json === true;
  const one = (wanted: string) => describe(configureNetwork(wanted, flags.set), flags.input);
  if (name === undefined) {
    const all = networkNames.map((known) => ({ ...summaryOf(one(known)), paper: paperTable3[known] }));
    const { block: paperBlock, vanilla: paperVanilla, ...sizes } = paperTable1;
    const table1 = { ...sizes, ...countTable1({ ...sizes, kernel: 5 }), paperBlock, paperVanilla };
    print(json, { networks: all, table1 }, () => overviewLines(all, table1));
    return;
  }
  const found = one(name);
  const availableBytes = flags.memory ?? totalmem();
  const memory = memoryFacts(found, availableBytes);
  print(json, { ...summaryOf(found), ...detailsOf(found), memory, availableBytes }, () =>
    networkLines(found, memory, availableBytes, flags.layers === true),
  );
}

const summaryOf = ({ name, input, parameters, gflops, macs, storageMiB }: NetworkDescription) => ({
  ...{ name, input, parameters, gflops, macs, storageMiB },
});

const detailsOf = ({ config, stateTensors, layers }: NetworkDescription) => ({
  config,
  stateTensors,
  layers,
});
