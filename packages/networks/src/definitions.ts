import type { Triple } from '@lvnet/kernels';
import type { NetworkConfig, NetworkName } from './config.js';
import type { NetworkDefinition } from './definition.js';
import { ceNet } from './definitions/ce-net.js';
import { lvNet } from './definitions/lv-net.js';
import { threeDUNet } from './definitions/three-d-u-net.js';
import { uNet } from './definitions/u-net.js';
import { vNet } from './definitions/v-net.js';
import type { Layers, Scores } from './vocabulary.js';

/** Every network that can be built, as the paper's tables list them. */
export const networkNames = [
  'u-net',
  'ce-net',
  '3d-u-net',
  'v-net',
  'lv-net',
] as const satisfies readonly NetworkName[];

/** A definition with its options filled in. */
export interface ConfiguredNetwork {
  dimensions: 2 | 3;
  inputChannels: 1 | 3;
  paperInput: Triple;
  /** What slices, rows and columns must divide by, and why. */
  multiple: { sizes: Triple; reason: string };
  leastSize: number;
  headCount: number;
  describe: <T>(l: Layers<T>, image: T) => Scores<T>;
}

export function networkOf(config: NetworkConfig): ConfiguredNetwork {
  switch (config.name) {
    case 'lv-net':
      return configured(lvNet, config);
    case 'u-net':
      return configured(uNet, config);
    case 'ce-net':
      return configured(ceNet, config);
    case '3d-u-net':
      return configured(threeDUNet, config);
    case 'v-net':
      return configured(vNet, config);
  }
}

function configured<C>(definition: NetworkDefinition<C>, config: C): ConfiguredNetwork {
  const { dimensions, inputChannels, paperInput, leastSize = 1 } = definition;
  return {
    ...{ dimensions, inputChannels, paperInput, leastSize },
    multiple: definition.multiple(config),
    headCount: definition.headCount(config),
    describe: (l, image) => definition.describe(l, image, config),
  };
}
