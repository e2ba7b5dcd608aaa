import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type {
  Activation,
  ConvShape,
  IrbShape,
  IrbStatistics,
  IrbWeights,
  KernelSet,
  NormParameters,
} from './kernel-set.js';
import type { VolumeShape } from './volume-shape.js';
import { bindDense } from './native-dense.js';
import { adamConstants } from './reference/vectors.js';
import { irbHiddenFloats, irbSavedFloats } from './saved.js';

/** The C++ kernels, and what else only the addon can do. */
export interface NativeKernels extends KernelSet {
  /** avx512, avx2 or baseline: chosen at run time, or forced by LVNET_ISA. */
  readonly instructionSet: string;
  setThreads: (count: number) => void;
  /** GFLOP/s of fused multiply-adds on all threads, measured for `seconds`. */
  fmaPeak(seconds: number): number;
}

type Addon = Record<string, (...values: unknown[]) => unknown> & { instructionSet: string };

/** LVNET_ADDON names another build, such as one with sanitizers. */
export const addonPath =
  process.env['LVNET_ADDON'] ?? fileURLToPath(new URL('../build/lvnet.node', import.meta.url));

let loaded: NativeKernels | null | undefined;

/** The native kernels, or undefined where the addon is not built. */
export function loadKernels(): NativeKernels | undefined {
  loaded ??= existsSync(addonPath) ? bind(loadAddon()) : null;
  return loaded ?? undefined;
}

/** Calls functions of the addon by name; undefined where it is not built. */
export function callAddon(): Call | undefined {
  return existsSync(addonPath) ? callOf(loadAddon()) : undefined;
}

type Call = (name: string, ...values: unknown[]) => unknown;

const callOf =
  (addon: Addon): Call =>
  (name, ...values) => {
    const kernel = addon[name];
    if (kernel === undefined) throw new Error(`the addon has no kernel ${name}: run npm run setup`);
    return kernel(...values);
  };

function loadAddon(): Addon {
  return createRequire(import.meta.url)(addonPath) as Addon;
}

/** GFLOP/s of fused multiply-adds on so many threads; 0 without the addon. Leaves that many threads set. */
export function measureFmaPeak(threads: number): number {
  const kernels = loadKernels();
  kernels?.setThreads(threads);
  return kernels?.fmaPeak(0.2) ?? 0;
}

/** Ends this process when its parent ends, kill -9 included; does nothing without the addon. */
export function dieWithParent(): void {
  if (existsSync(addonPath)) loadAddon()['dieWithParent']?.();
}

const activations: Record<Activation, number> = { none: 0, elu: 1, relu: 2 };
const volume = ({ n, d, h, w }: VolumeShape) => [n, d, h, w] as const;
const conv = (s: ConvShape) => [...volume(s), s.ci, s.co, s.k] as const;
const norm = (p: NormParameters) => [p.mean, p.variance, p.gamma, p.beta, p.epsilon] as const;
const irb = (s: IrbShape) => [...volume(s), s.c, s.expanded, s.k] as const;
const weights = (p: IrbWeights) =>
  [
    ...[p.expandWeight, p.expandBias, p.gamma1, p.beta1],
    ...[p.depthwiseWeight, p.depthwiseBias, p.gamma2, p.beta2],
    ...[p.projectWeight, p.projectBias, p.gamma3, p.beta3],
  ] as const;
const statistics = (s: IrbStatistics) =>
  [s.mean1, s.variance1, s.mean2, s.variance2, s.mean3, s.variance3] as const;

const keeps = ({ keepHidden = false }: { keepHidden?: boolean | undefined }) => (keepHidden ? 1 : 0);

function bind(addon: Addon): NativeKernels {
  const call = callOf(addon);
  return {
    ...bindDense(call),
    name: 'native',
    instructionSet: addon.instructionSet,
    setThreads: (count) => void call('setThreads', count),
    fmaPeak: (seconds) => Number(call('fmaPeak', seconds)),
    allocate: (length) => (call('allocate', length) as Float32Array | undefined) ?? new Float32Array(length),
    conv3dForward: (s, x, w, b, y) => void call('convForward', ...conv(s), x, w, b, activations.none, y),
    conv3dInfer: (s, x, w, b, activation, y) =>
      void call('convForward', ...conv(s), x, w, b, activations[activation], y),
    conv3dBackwardInput: (s, dy, w, dx) => void call('convBackwardInput', ...conv(s), dy, w, dx),
    conv3dBackwardFilter: (s, x, dy, dw, db) => void call('convBackwardFilter', ...conv(s), x, dy, dw, db),
    depthwise3dForward: (s, x, w, b, y) => void call('depthwiseForward', ...volume(s), s.c, s.k, x, w, b, y),
    depthwise3dBackwardInput: (s, dy, w, dx) =>
      void call('depthwiseBackwardInput', ...volume(s), s.c, s.k, dy, w, dx),
    depthwise3dBackwardFilter: (s, x, dy, dw, db) =>
      void call('depthwiseBackwardFilter', ...volume(s), s.c, s.k, x, dy, dw, db),
    batchNormStatistics: (rows, c, x, mean, variance) =>
      void call('normStatistics', rows, c, x, mean, variance),
    batchNormForward: (rows, c, x, p, activation, residual, y) =>
      void call('normForward', rows, c, x, ...norm(p), activations[activation], residual, y),
    batchNormBackward: (rows, c, x, p, activation, dy, dx, dgamma, dbeta) =>
      void call('normBackward', rows, c, x, ...norm(p), activations[activation], dy, dx, dgamma, dbeta),
    averagePoolForward: (s, x, y) => void call('poolForward', ...volume(s), s.c, x, y),
    averagePoolBackward: (s, dy, dx) => void call('poolBackward', ...volume(s), s.c, dy, dx),
    upsampleForward: (s, factor, x, onto, y) =>
      void call('upsampleForward', ...volume(s), s.c, factor, x, onto, y),
    upsampleBackward: (s, factor, dy, dx) => void call('upsampleBackward', ...volume(s), s.c, factor, dy, dx),
    foreground: (rows, classes, logits, p) => void call('foreground', rows, classes, logits, p),
    softmaxCrossEntropy: (rows, classes, logits, labels, dlogits) =>
      Number(call('crossEntropy', rows, classes, logits, labels, dlogits)),
    irbSavedLength: (s, o) => irbSavedFloats(s) + (o.keepHidden === true ? irbHiddenFloats(s) : 0),
    irbForward: (s, x, p, o, y, st, saved) =>
      void call(
        'irbForward',
        ...[...irb(s), o.epsilon, activations[o.activation], x],
        ...[...weights(p), ...statistics(st), y, saved, keeps(o)],
      ),
    irbBackward: (s, x, p, o, st, saved, dy, dx, g) =>
      void call(
        'irbBackward',
        ...[...irb(s), o.epsilon, activations[o.activation], x],
        ...[...weights(p), ...statistics(st), saved, dy, dx, ...weights(g), keeps(o)],
      ),
    irbInfer: (s, x, p, o, st, y) =>
      void call(
        'irbInfer',
        ...[...irb(s), o.epsilon, activations[o.activation], x],
        ...[...weights(p), ...statistics(st), y],
      ),
    add: (a, b, sum) => void call('addBoth', a, b, sum, sum.length),
    addTree: (sources, order, rounded, sum) =>
      void call('addTree', sources, order, order.length, rounded ? 1 : 0, sum, sum.length),
    roundToBf16: (into, from) => void call('roundToBf16', into, from, from.length),
    fromBf16: (into, from) => void call('fromBf16', into, from, into.length),
    scaleInto: (into, factor) => void call('scaleInto', into, factor, into.length),
    checksum: (values) => Number(call('checksum', values, values.length)),
    isAllFinite: (values) => call('isAllFinite', values, values.length) === true,
    sumOfSquares: (values) => Number(call('sumOfSquares', values, values.length)),
    adamStep(u) {
      const c = adamConstants(u);
      call(
        'adamStep',
        ...[u.weights, u.gradient, u.m, u.v, u.from, u.to],
        ...[
          u.samples,
          c.beta1,
          c.rest1,
          c.beta2,
          c.rest2,
          c.epsilon,
          c.weightDecay,
          c.stepSize,
          c.rootCorrection2,
        ],
      );
    },
  };
}
