import { resolve } from 'node:path';
import { encodeWeights } from '@lvnet/checkpoints';
import { sha256Hex, writeFileAtomic } from '@lvnet/core';
import { buildNetwork, initialWeights } from '@lvnet/networks';
import { namedWeights } from '@lvnet/training';
import { print } from '../../cluster/print.js';
import { configureNetwork } from './configure.js';

export interface InitFlags {
  seed: number;
  out: string;
  set: string[];
  json?: boolean;
}

export async function writeInitialWeights(name: string, { seed, out, set, json }: InitFlags): Promise<void> {
  const network = buildNetwork(configureNetwork(name, set));
  const tensors = namedWeights(network, initialWeights(network.config, seed));
  const bytes = encodeWeights(tensors);
  const file = resolve(out);
  await writeFileAtomic(file, bytes);
  const parameters = network.gradientLength;
  print(
    json === true,
    { file, seed, network: network.config, parameters, tensors: tensors.length, sha256: sha256Hex(bytes) },
    () => [`${file}: ${name} with ${String(parameters)} parameters, drawn with seed ${String(seed)}`],
  );
}
