import { Failure } from '@lvnet/core';
import { inputMultiple, type NetworkConfig } from './config.js';
import { layersOf, type Layer } from './layers.js';
import { isTrained, lengthOf, parametersOf } from './parameters.js';

export interface LayerDescription {
  name: string;
  kind: Layer['kind'];
  /** [channels, depth, rows, columns] */
  output: [number, number, number, number];
  parameters: number;
  macs: number;
  /** By the counting rule behind the paper's figures. */
  flops: number;
}

export interface NetworkDescription {
  name: string;
  config: NetworkConfig;
  input: [number, number, number];
  parameters: number;
  /** The paper's "GFLOPs": a count that takes a multiply-add as one, batch norms as four per element. */
  gflops: number;
  /** True multiply-accumulates of all convolutions. */
  macs: number;
  storageMiB: number;
  stateTensors: number;
  batchNorms: number;
  batchNormChannels: number;
  /** Bytes kept from forward to backward for one sample by the native engine, beside the weights. */
  trainingBytes: { native: number };
  layers: LayerDescription[];
}

export type InputSize = readonly [number, number, number];

/**
 * What a network costs, without building it.
 *
 * @param input [slices, rows, columns]
 * @throws Failure('SHAPE_MISMATCH') where a size cannot be halved often enough
 */
export function describe(config: NetworkConfig, input: InputSize = [16, 256, 256]): NetworkDescription {
  checkInput(config, input);
  const specs = parametersOf(config);
  const layers = layersOf(config).map((layer) => describeLayer(layer, input, specs));
  const norms = specs.filter((spec) => spec.kind === 'gamma');
  const parameters = specs.filter(isTrained).reduce((sum, spec) => sum + lengthOf(spec.shape), 0);
  const batchNormChannels = norms.reduce((sum, spec) => sum + lengthOf(spec.shape), 0);
  const bytes = 4 * parameters + 8 * batchNormChannels + 8 * norms.length + 185 * specs.length;
  return {
    name: config.name,
    config,
    input: [...input],
    parameters,
    gflops: round(sumOf(layers, (layer) => layer.flops) / 1e9, 4),
    macs: sumOf(layers, (layer) => layer.macs),
    storageMiB: round(bytes / 2 ** 20, 2),
    stateTensors: specs.length,
    batchNorms: norms.length,
    batchNormChannels,
    trainingBytes: { native: keptBytes(config, input) },
    layers,
  };
}

/** @throws Failure('SHAPE_MISMATCH') */
export function checkInput(config: NetworkConfig, input: InputSize): void {
  const multiple = inputMultiple(config);
  if (input.every((size) => size > 0 && size % multiple === 0)) return;
  throw new Failure(
    'SHAPE_MISMATCH',
    { input, multiple },
    {
      message: `An input of ${input.join('x')} does not fit: every size must divide by ${String(multiple)} (2^(levels - 1)).`,
      hint: 'Choose other sizes or fewer levels.',
    },
  );
}

const sumOf = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((sum, item) => sum + value(item), 0);

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

function voxelsAt(input: InputSize, level: number): number {
  return input.reduce((product, size) => product * (size / 2 ** level), 1);
}

function describeLayer(
  layer: Layer,
  input: InputSize,
  specs: ReturnType<typeof parametersOf>,
): LayerDescription {
  const channels = layer.kind === 'convolution' ? layer.co : layer.channels;
  const elements = voxelsAt(input, layer.level) * channels;
  const own = specs.filter((spec) => isTrained(spec) && spec.name.startsWith(`${layer.name}.`));
  const [depth, rows, columns] = input.map((size) => size / 2 ** layer.level) as [number, number, number];
  return {
    name: layer.name,
    kind: layer.kind,
    output: [channels, depth, rows, columns],
    parameters:
      layer.kind === 'convolution' || layer.kind === 'batchNorm'
        ? sumOf(own, (spec) => lengthOf(spec.shape))
        : 0,
    ...workOf(layer, elements),
  };
}

function workOf(layer: Layer, elements: number): { macs: number; flops: number } {
  switch (layer.kind) {
    case 'convolution': {
      const perOutput = (layer.ci / layer.groups) * layer.k ** 3;
      return { macs: elements * perOutput, flops: elements * (perOutput + (layer.bias ? 1 : 0)) };
    }
    case 'batchNorm':
      return { macs: 0, flops: 4 * elements };
    case 'averagePool':
      return { macs: 0, flops: 3 * elements };
    case 'upsample':
      return { macs: 0, flops: 0 };
  }
}

function keptBytes(config: NetworkConfig, input: InputSize): number {
  const elements = sumOf(layersOf(config), (layer) => voxelsAt(input, layer.level) * keptChannels(layer));
  return 4 * (voxelsAt(input, 0) + elements);
}

/**
 * What stays of a layer per voxel. Every operation keeps its input: convolutions and batch norms theirs, a
 * block its input, the depthwise output and the projection; a loss its logits and their gradient.
 */
function keptChannels(layer: Layer): number {
  const last = layer.name.slice(layer.name.lastIndexOf('.') + 1);
  switch (layer.kind) {
    case 'convolution':
      if (layer.name === 'output') return 2 * layer.co;
      return layer.name === 'stem.conv' || /^up\d\.conv$/.test(layer.name) ? layer.co : 0;
    case 'batchNorm':
      if (last === 'bn1' || layer.name.startsWith('up')) return 0; // up-sampled before anything keeps it
      return last === 'bn3' ? 2 * layer.channels : layer.channels; // the projection and the block's sum
    case 'averagePool':
      return layer.channels;
    case 'upsample':
      return layer.name.startsWith('head') ? 2 * layer.channels : layer.channels; // added to the encoder's
  }
}
