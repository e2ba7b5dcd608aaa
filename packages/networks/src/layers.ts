import type { NetworkConfig } from './config.js';

/** One module of the network with parameters or work; `level` halves the input size that many times. */
export type Layer =
  | {
      kind: 'convolution';
      name: string;
      level: number;
      ci: number;
      co: number;
      k: number;
      groups: number;
      bias: boolean;
    }
  | { kind: 'batchNorm'; name: string; level: number; channels: number }
  | { kind: 'averagePool'; name: string; level: number; channels: number }
  | { kind: 'upsample'; name: string; level: number; channels: number; factor: number };

/** Channels outside the blocks of a level. */
const widthAt = (config: NetworkConfig, level: number): number => config.baseWidth * 2 ** level;

const pointwise = (name: string, level: number, ci: number, co: number, bias = false): Layer => ({
  kind: 'convolution',
  name,
  level,
  ci,
  co,
  k: 1,
  groups: 1,
  bias,
});

const norm = (name: string, level: number, channels: number): Layer => ({
  kind: 'batchNorm',
  name,
  level,
  channels,
});

/** The convolutions of full-resolution blocks have biases: 576 parameters that the paper's count needs. */
export const isBiased = (level: number): boolean => level === 0;

function block(config: NetworkConfig, name: string, level: number): Layer[] {
  const c = widthAt(config, level);
  const e = c * config.expansionRate;
  const bias = isBiased(level);
  return [
    pointwise(`${name}.expand`, level, c, e, bias),
    norm(`${name}.bn1`, level, e),
    {
      kind: 'convolution',
      name: `${name}.depthwise`,
      level,
      ci: e,
      co: e,
      k: config.kernel,
      groups: e,
      bias,
    },
    norm(`${name}.bn2`, level, e),
    pointwise(`${name}.project`, level, e, c, bias),
    norm(`${name}.bn3`, level, c),
  ];
}

function stage(config: NetworkConfig, name: string, level: number): Layer[] {
  return Array.from({ length: config.blocksPerStage }, (_, i) =>
    block(config, `${name}.${String(i)}`, level),
  ).flat();
}

function down(config: NetworkConfig, level: number): Layer[] {
  const [from, to] = [widthAt(config, level), widthAt(config, level + 1)];
  const name = `down${String(level)}`;
  return [
    pointwise(`${name}.conv`, level, from, to),
    { kind: 'averagePool', name: `${name}.pool`, level: level + 1, channels: to },
    norm(`${name}.bn`, level + 1, to),
  ];
}

function upTo(config: NetworkConfig, level: number): Layer[] {
  const [from, to] = [widthAt(config, level + 1), widthAt(config, level)];
  const name = `up${String(level)}`;
  return [
    pointwise(`${name}.conv`, level + 1, from, to),
    norm(`${name}.bn`, level + 1, to),
    { kind: 'upsample', name: `${name}.upsample`, level, channels: to, factor: 2 },
  ];
}

/** Every layer of LV-Net in the order of the forward pass, heads and output last. */
export function layersOf(config: NetworkConfig): Layer[] {
  const { levels, classes, kernel } = config;
  const levelsDown = Array.from({ length: levels - 1 }, (_, level) => level);
  const levelsUp = [...levelsDown].reverse();
  return [
    {
      kind: 'convolution',
      name: 'stem.conv',
      level: 0,
      ci: 1,
      co: config.baseWidth,
      k: kernel,
      groups: 1,
      bias: false,
    },
    norm('stem.bn', 0, config.baseWidth),
    ...levelsDown.flatMap((level) => [
      ...stage(config, `enc${String(level)}`, level),
      ...down(config, level),
    ]),
    ...stage(config, 'bottom', levels - 1),
    ...levelsUp.flatMap((level) => [...upTo(config, level), ...stage(config, `dec${String(level)}`, level)]),
    ...levelsUp.flatMap((level, i): Layer[] => [
      pointwise(`head${String(i + 1)}`, level, widthAt(config, level), classes, true),
      {
        kind: 'upsample',
        name: `head${String(i + 1)}.upsample`,
        level: 0,
        channels: classes,
        factor: 2 ** level,
      },
    ]),
    pointwise('output', 0, config.baseWidth, classes, true),
  ];
}
