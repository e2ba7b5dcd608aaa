import { outputSize, type Triple } from '@lvnet/kernels';
import type { NetworkConfig } from './config.js';
import { networkOf } from './definitions.js';
import { lengthOf, type ParameterSpec } from './parameters.js';
import type { Convolution, Layers, TransposedConvolution } from './vocabulary.js';

/** A layer as the tables show it. */
export interface PlannedLayer {
  name: string;
  kind:
    'convolution' | 'transposed' | 'batchNorm' | 'groupNorm' | 'prelu' | 'averagePool' | 'maxPool' | 'resize';
  channels: number;
  size: Triple;
  /** True multiply-accumulates. */
  macs: number;
  /** By the counting rule behind the paper's figures. */
  flops: number;
}

/** One operation on whole tensors; values are numbered in the order in which they are made, the image is 0. */
export interface PlannedStep {
  kind:
    | 'convolution'
    | 'norm'
    | 'groupNorm'
    | 'relu'
    | 'prelu'
    | 'block'
    | 'maxPool'
    | 'resize'
    | 'add'
    | 'channels';
  inputs: readonly number[];
  output: number;
  /** Values that its gradient needs. */
  keeps: readonly number[];
  /** Inputs whose gradient is that of the result itself. */
  handsOn: readonly number[];
  /** Of a convolution: weights, and voxels of the result. */
  convolution?: { weights: number; depth: number; columns: number; rows: number; transposed: boolean };
  /** Of a pool: voxels of a window. */
  pool?: { window: number };
  /** Of a block: what its kernels need to know. */
  block?: { size: Triple; c: number; expanded: number; k: number };
}

/** A network on one sample of a size, as data. */
export interface Plan {
  state: readonly ParameterSpec[];
  layers: readonly PlannedLayer[];
  steps: readonly PlannedStep[];
  /** Channels and size of each value. */
  values: readonly PlannedValue[];
  main: number;
  heads: readonly number[];
}

interface PlannedValue {
  id: number;
  channels: number;
  size: Triple;
}

/**
 * What a network consists of, without computing anything.
 *
 * @param size [slices, rows, columns]; must suit the network
 */
export function planOf(config: NetworkConfig, size?: Triple, supervised = true): Plan {
  const network = networkOf(config);
  const draft: Draft = { state: new Map(), layers: [], steps: [], values: [] };
  const { paperInput, inputChannels, dimensions } = network;
  const image = valueOf(draft, inputChannels, size ?? paperInput);
  const { main, heads } = network.describe(plannedLayers(draft, dimensions, supervised), image);
  return {
    ...draft,
    state: [...draft.state.values()],
    main: main.id,
    heads: heads.map(({ id }) => id),
  };
}

/** Of a prediction: without the normalisations that follow one convolution alone, which then does their work. */
export function withFoldedNorms(plan: Plan): Plan {
  const readersOf = (id: number) => plan.steps.filter(({ inputs }) => inputs.includes(id)).length;
  const folded = new Map<number, number>();
  for (const step of plan.steps) {
    const [x = 0] = step.inputs;
    const before = plan.steps.find(({ output }) => output === x);
    const isFolded = step.kind === 'norm' && before?.convolution?.transposed === false && readersOf(x) === 1;
    if (isFolded) folded.set(x, step.output);
  }
  const steps = plan.steps
    .filter(({ kind, inputs: [x = 0] }) => !(kind === 'norm' && folded.has(x)))
    .map((step) => ({ ...step, output: folded.get(step.output) ?? step.output }));
  return { ...plan, steps };
}

/** All tensors of the state in their canonical order, which also is the order of the flat gradient. */
export const parametersOf = (config: NetworkConfig): readonly ParameterSpec[] => planOf(config).state;

interface Draft {
  state: Map<string, ParameterSpec>;
  layers: PlannedLayer[];
  steps: PlannedStep[];
  values: PlannedValue[];
}

const halved = ({ channels, size: [d, h, w] }: Pick<PlannedValue, 'channels' | 'size'>) => ({
  channels,
  size: [d / 2, h / 2, w / 2] as const,
});

function valueOf(draft: Draft, channels: number, size: Triple): PlannedValue {
  const value = { id: draft.values.length, channels, size };
  draft.values.push(value);
  return value;
}

const elementsOf = ({ channels, size }: Pick<PlannedValue, 'channels' | 'size'>): number =>
  channels * lengthOf(size);

function plannedLayers(draft: Draft, dimensions: 2 | 3, supervised: boolean): Layers<PlannedValue> {
  const step = (
    kind: PlannedStep['kind'],
    inputs: readonly PlannedValue[],
    output: { channels: number; size: Triple },
    more: Omit<Partial<PlannedStep>, 'keeps' | 'handsOn'> & {
      keeps?: readonly (PlannedValue | 'output')[];
      handsOn?: readonly PlannedValue[];
    } = {},
  ): PlannedValue => {
    const value = valueOf(draft, output.channels, output.size);
    const { keeps = [], handsOn = [], ...rest } = more;
    const kept = keeps.map((one) => (one === 'output' ? value.id : one.id));
    const idsOf = (values: readonly PlannedValue[]) => values.map(({ id }) => id);
    const moves = { inputs: idsOf(inputs), output: value.id, handsOn: idsOf(handsOn), keeps: kept };
    draft.steps.push({ kind, ...moves, ...rest });
    return value;
  };
  const list = (
    kind: PlannedLayer['kind'],
    name: string,
    { channels, size }: Pick<PlannedValue, 'channels' | 'size'>,
    work: { macs?: number; flops?: number } = {},
  ) => draft.layers.push({ kind, name, channels, size, macs: 0, flops: 0, ...work });

  const convolve = (
    x: PlannedValue,
    name: string,
    o: {
      channels: number;
      kernel: Triple;
      groups?: number;
      size: Triple;
      bias: boolean;
      transposed?: boolean;
    },
  ) => {
    const { channels, kernel, groups = 1, size, bias, transposed = false } = o;
    const output = { channels, size };
    const perOutput = (x.channels / groups) * lengthOf(kernel);
    const macs = transposed ? elementsOf(x) * channels * lengthOf(kernel) : elementsOf(output) * perOutput;
    const flops = elementsOf(output) * (perOutput + (bias ? 1 : 0));
    list(transposed ? 'transposed' : 'convolution', name, output, { macs, flops });
    const own = dimensions === 2 ? kernel.slice(1) : kernel;
    const shape = transposed ? [x.channels, channels, ...own] : [channels, x.channels / groups, ...own];
    addConvolution(draft.state, name, shape, bias, channels);
    return output;
  };
  const batchNorm = (x: Pick<PlannedValue, 'channels' | 'size'>, name: string) => {
    list('batchNorm', name, x, { flops: 4 * elementsOf(x) });
    addNorm(draft.state, name, x.channels, true);
  };

  return {
    supervised,
    sizeOf: ({ size }) => size,
    convolution(x, name, o) {
      const shape = denseShape(dimensions, x, o);
      const output = convolve(x, name, {
        ...{ channels: o.channels, kernel: shape.kernel },
        ...{ size: outputSize(shape), bias: o.bias ?? false },
      });
      const depth = lengthOf(shape.kernel) * x.channels;
      const convolution = {
        ...{ weights: depth * o.channels, depth },
        ...{ columns: o.channels, rows: lengthOf(output.size), transposed: false },
      };
      return step('convolution', [x], output, { keeps: [x], convolution });
    },
    transposedConvolution(x, name, o) {
      const { kernel, size } = transposedShape(dimensions, x.size, o);
      const output = convolve(x, name, {
        ...{ channels: o.channels, kernel, size },
        ...{ bias: o.bias ?? false, transposed: true },
      });
      const depth = lengthOf(kernel) * o.channels;
      const convolution = {
        ...{ weights: depth * x.channels, depth, columns: x.channels },
        ...{ rows: lengthOf(x.size), transposed: true },
      };
      return step('convolution', [x], output, { keeps: [x], convolution });
    },
    batchNorm(x, name) {
      batchNorm(x, name);
      return step('norm', [x], x, { keeps: [x] });
    },
    rectifiedGroupNorm(x, name) {
      list('groupNorm', name, x);
      addNorm(draft.state, name, x.channels, false);
      return step('groupNorm', [x], x, { keeps: [x] });
    },
    relu: (x) => step('relu', [x], x, { keeps: ['output'] }),
    prelu(x, name) {
      list('prelu', name, x);
      add(draft.state, { name: `${name}.weight`, shape: [1], kind: 'slope', fanIn: 0 });
      return step('prelu', [x], x, { keeps: [x] });
    },
    invertedResidual(x, name, { expansionRate, kernel: k, bias }) {
      const c = x.channels;
      const expanded = c * expansionRate;
      const [point, cube] = [[1, 1, 1] as const, [k, k, k] as const];
      const layer = (from: number, last: string, o: { channels: number; kernel: Triple; groups?: number }) =>
        convolve({ ...x, channels: from }, `${name}.${last}`, { ...o, size: x.size, bias });
      batchNorm(layer(c, 'expand', { channels: expanded, kernel: point }), `${name}.bn1`);
      batchNorm(
        layer(expanded, 'depthwise', { channels: expanded, kernel: cube, groups: expanded }),
        `${name}.bn2`,
      );
      batchNorm(layer(expanded, 'project', { channels: c, kernel: point }), `${name}.bn3`);
      return step('block', [x], x, { keeps: [x], block: { size: x.size, c, expanded, k } });
    },
    pooledConvolution(x, name, channels, poolName) {
      const output = halved(convolve(x, name, { channels, kernel: [1, 1, 1], size: x.size, bias: false }));
      list('averagePool', poolName, output, { flops: 3 * elementsOf(output) });
      const pooled = step('resize', [x], halved(x));
      const rows = lengthOf(output.size);
      const convolution = {
        ...{ weights: x.channels * channels, depth: x.channels, columns: channels, rows },
        transposed: false,
      };
      return step('convolution', [pooled], output, { keeps: [pooled], convolution });
    },
    maxPool(x, name, o) {
      const moved = denseShape(dimensions, x, { ...o, channels: x.channels });
      const output = { channels: x.channels, size: outputSize(moved) };
      list('maxPool', name, output);
      return step('maxPool', [x], output, { pool: { window: lengthOf(moved.kernel) } });
    },
    upsample(x, name, factor, onto) {
      const [d, h, w] = x.size;
      const output = { channels: x.channels, size: [d * factor, h * factor, w * factor] as const };
      list('resize', name, output);
      if (onto !== undefined) return step('resize', [x, onto], output, { handsOn: [onto] });
      return factor === 1 ? x : step('resize', [x], output);
    },
    resize(x, name, to) {
      list('resize', name, { ...x, size: to });
      return step('resize', [x], { ...x, size: to });
    },
    add: (a, b) => step('add', [a, b], a, { handsOn: [a, b] }),
    concat: (xs) =>
      step('channels', xs, {
        channels: xs.reduce((sum, { channels }) => sum + channels, 0),
        size: xs[0]?.size ?? [0, 0, 0],
      }),
    repeatChannel: (x, channels) => step('channels', [x], { channels, size: x.size }),
    firstChannels: (x, channels) => step('channels', [x], { channels, size: x.size }),
  };
}

/** A number along every axis of the network's own; slices of images are left as they are. */
const along = (dimensions: 2 | 3, value: number, still: number): Triple =>
  dimensions === 2 ? [still, value, value] : [value, value, value];

/** What the kernels call a convolution (or a pool) of a value. */
export function denseShape(dimensions: 2 | 3, x: { size: Triple; channels: number }, o: Convolution) {
  const { kernel, dilation = 1, stride = 1, padding = (dilation * (kernel - 1)) / 2 } = o;
  const [d, h, w] = x.size;
  return {
    ...{ n: 1, d, h, w, ci: x.channels, co: o.channels },
    kernel: along(dimensions, kernel, 1),
    stride: along(dimensions, stride, 1),
    padding: along(dimensions, padding, 0),
    dilation: along(dimensions, dilation, 1),
  };
}

export function transposedShape(dimensions: 2 | 3, [d, h, w]: Triple, o: TransposedConvolution) {
  const { kernel, stride, padding = 0, outputPadding = 0 } = o;
  const grown = (size: number) => (size - 1) * stride - 2 * padding + kernel + outputPadding;
  return {
    kernel: along(dimensions, kernel, 1),
    stride: along(dimensions, stride, 1),
    padding: along(dimensions, padding, 0),
    outputPadding: along(dimensions, outputPadding, 0),
    size: [dimensions === 2 ? d : grown(d), grown(h), grown(w)] as const,
  };
}

/** A module that is called twice has one state. */
function add(state: Draft['state'], spec: ParameterSpec): void {
  if (!state.has(spec.name)) state.set(spec.name, spec);
}

function addConvolution(
  state: Draft['state'],
  name: string,
  shape: readonly number[],
  bias: boolean,
  channels: number,
): void {
  const fanIn = lengthOf(shape.slice(1)); // PyTorch takes the second axis for transposed ones too
  add(state, { name: `${name}.weight`, shape, kind: 'weight', fanIn });
  if (bias) add(state, { name: `${name}.bias`, shape: [channels], kind: 'bias', fanIn });
}

function addNorm(state: Draft['state'], name: string, channels: number, running: boolean): void {
  const one = (last: string, kind: ParameterSpec['kind'], shape: readonly number[] = [channels]) => {
    add(state, { name: `${name}.${last}`, shape, kind, fanIn: 0 });
  };
  one('weight', 'gamma');
  one('bias', 'beta');
  if (!running) return;
  one('running_mean', 'runningMean');
  one('running_var', 'runningVariance');
  one('num_batches_tracked', 'batchCount', []);
}
