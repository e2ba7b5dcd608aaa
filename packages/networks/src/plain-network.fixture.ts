import { referenceKernels as kernels, type Activation, type VolumeShape } from '@lvnet/kernels';
import type { LvNetConfig } from './config.js';

/**
 * LV-Net once more, straight from its description (docs: "LV-Net as we build it") on plain float64 arrays:
 * the judge of the network that trains. Knows nothing of tensors, tapes or layer tables.
 */
export interface PlainPass {
  /** main, then the heads from coarse to fine; [n, d, h, w, classes]. */
  logits: Float64Array[];
  /** Mean cross entropies in the same order. */
  losses: number[];
  /** Mean and biased variance of each batch norm, by layer name, and the number of values per channel. */
  statistics: Map<string, { mean: Float64Array; variance: Float64Array; count: number }>;
}

/** The kernels are declared on float32 arrays and compute in the precision of those given. */
const loosely = (values: Float64Array): Float32Array => values as unknown as Float32Array;

interface Feature {
  shape: VolumeShape;
  channels: number;
  values: Float64Array;
}

const sizeOf = ({ n, d, h, w }: VolumeShape) => n * d * h * w;

export function plainPass(
  config: LvNetConfig,
  weights: ReadonlyMap<string, Float64Array>,
  image: Float64Array,
  labels: Int32Array,
  shape: VolumeShape,
): PlainPass {
  const statistics: PlainPass['statistics'] = new Map();
  const { kernel, levels, blocksPerStage, classes, activation, baseWidth, expansionRate } = config;
  const tensor = (name: string): Float64Array => {
    const found = weights.get(name);
    if (found === undefined) throw new Error(`no tensor ${name}`);
    return found;
  };

  const convolve = (x: Feature, name: string, channels: number, k: number): Feature => {
    const values = new Float64Array(sizeOf(x.shape) * channels);
    const bias = weights.get(`${name}.bias`);
    const s = { ...x.shape, ci: x.channels, co: channels, k };
    const weight = loosely(tensor(`${name}.weight`));
    kernels.conv3dForward(s, loosely(x.values), weight, bias ? loosely(bias) : null, loosely(values));
    return { ...x, channels, values };
  };
  const depthwise = (x: Feature, name: string): Feature => {
    const values = new Float64Array(x.values.length);
    const bias = weights.get(`${name}.bias`);
    const s = { ...x.shape, c: x.channels, k: kernel };
    const weight = loosely(tensor(`${name}.weight`));
    kernels.depthwise3dForward(s, loosely(x.values), weight, bias ? loosely(bias) : null, loosely(values));
    return { ...x, values };
  };
  const normalise = (x: Feature, name: string, act: Activation): Feature => {
    const [rows, c] = [sizeOf(x.shape), x.channels];
    const [mean, variance, values] = [new Float64Array(c), new Float64Array(c), new Float64Array(rows * c)];
    kernels.batchNormStatistics(rows, c, loosely(x.values), loosely(mean), loosely(variance));
    const [gamma, beta] = [loosely(tensor(`${name}.weight`)), loosely(tensor(`${name}.bias`))];
    const p = { mean: loosely(mean), variance: loosely(variance), gamma, beta, epsilon: 1e-5 };
    kernels.batchNormForward(rows, c, loosely(x.values), p, act, null, loosely(values));
    statistics.set(name, { mean, variance, count: rows });
    return { ...x, values };
  };
  const add = (a: Feature, b: Feature): Feature => ({
    ...a,
    values: a.values.map((value, i) => value + (b.values[i] ?? Number.NaN)),
  });
  const block = (x: Feature, name: string): Feature => {
    const inner = x.channels * expansionRate;
    const h1 = normalise(convolve(x, `${name}.expand`, inner, 1), `${name}.bn1`, activation);
    const h2 = normalise(depthwise(h1, `${name}.depthwise`), `${name}.bn2`, activation);
    return add(normalise(convolve(h2, `${name}.project`, x.channels, 1), `${name}.bn3`, 'none'), x);
  };
  const stage = (x: Feature, name: string): Feature =>
    Array.from({ length: blocksPerStage }, (_, i) => `${name}.${String(i)}`).reduce(block, x);
  const halve = (x: Feature): Feature => {
    const { n, d, h, w } = x.shape;
    const values = new Float64Array(x.values.length / 8);
    kernels.averagePoolForward({ ...x.shape, c: x.channels }, loosely(x.values), loosely(values));
    return { ...x, shape: { n, d: d / 2, h: h / 2, w: w / 2 }, values };
  };
  const enlarge = (x: Feature, factor: number): Feature => {
    const { n, d, h, w } = x.shape;
    const values = new Float64Array(x.values.length * factor ** 3);
    kernels.upsampleForward({ ...x.shape, c: x.channels }, factor, loosely(x.values), null, loosely(values));
    return { ...x, shape: { n, d: d * factor, h: h * factor, w: w * factor }, values };
  };

  const heads: Feature[] = [];
  /** A level on the way down, everything below it, and the same level on the way up. */
  const level = (x: Feature, depth: number): Feature => {
    if (depth === levels - 1) return stage(x, 'bottom');
    const name = String(depth);
    const encoded = stage(x, `enc${name}`);
    const narrower = halve(convolve(encoded, `down${name}.conv`, x.channels * 2, 1));
    const below = level(normalise(narrower, `down${name}.bn`, activation), depth + 1);
    const wider = normalise(convolve(below, `up${name}.conv`, x.channels, 1), `up${name}.bn`, activation);
    const decoded = stage(add(enlarge(wider, 2), encoded), `dec${name}`);
    heads.push(enlarge(convolve(decoded, `head${String(levels - 1 - depth)}`, classes, 1), 2 ** depth));
    return decoded;
  };
  const input: Feature = { shape, channels: 1, values: image };
  const stem = normalise(convolve(input, 'stem.conv', baseWidth, kernel), 'stem.bn', activation);
  const main = convolve(level(stem, 0), 'output', classes, 1);

  const logits = [main, ...heads].map(({ values }) => values);
  const losses = logits.map((values) =>
    kernels.softmaxCrossEntropy(sizeOf(shape), classes, loosely(values), labels, null),
  );
  return { logits, losses, statistics };
}
