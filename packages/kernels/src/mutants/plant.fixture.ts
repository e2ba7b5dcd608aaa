import type { KernelSet } from '../kernel-set.js';
import { outputsOf, tapsOf, type KernelName, type Values } from './outputs.fixture.js';

/** Small errors that are easily made, in an output array. */
const errors = {
  'one element off by a thousandth': (out: Values) => {
    let largest = 0;
    for (const value of out) largest = Math.max(largest, Math.abs(value));
    change(out, out.length >> 1, (value) => value + Math.max(1e-3 * largest, 1e-3));
  },
  'one element missing': (out: Values) => {
    change(out, out.length >> 1, () => 0);
  },
  'wrong sign': (out: Values) => {
    for (let i = 0; i < out.length; i++) out[i] = -(out[i] ?? 0);
  },
  'off by one at the border': (out: Values) => {
    change(out, out.length - 1, () => out.at(-2) ?? Number.NaN);
  },
  'off by one': (out: Values) => {
    out.copyWithin(1, 0);
  },
  doubled: (out: Values) => {
    for (let i = 0; i < out.length; i++) out[i] = 2 * (out[i] ?? 0);
  },
} satisfies Record<string, (out: Values) => void>;

function differ(a: Values, b: Values): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return true;
  return false;
}

const change = (out: Values, i: number, to: (value: number) => number): void => {
  if (i < out.length) out[i] = to(out[i] ?? Number.NaN);
};

/** A kernel that is wrong in one way. */
export interface Mutant {
  kernel: KernelName;
  /** `returned`: the scalar; `taps`: the last tap of its weights is left out. */
  output: string;
  error: string;
}

/** Every mutant of a kernel, given the names of the outputs that were seen. */
export function mutantsOf(kernel: KernelName, outputs: Iterable<string>): Mutant[] {
  const taps = kernel in tapsOf ? [{ kernel, output: 'taps', error: 'a tap missing' }] : [];
  const others = [...outputs].flatMap((output) =>
    Object.keys(output === 'returned' ? scalarErrors : errors).map((error) => ({ kernel, output, error })),
  );
  return [...taps, ...others];
}

const scalarErrors = {
  'wrong sign': (value: unknown) => (typeof value === 'boolean' ? !value : -Number(value)),
  'off by a thousandth': (value: unknown) => (typeof value === 'boolean' ? !value : Number(value) * 1.001),
} satisfies Record<string, (value: unknown) => unknown>;

type Kernel = (...values: never[]) => unknown;

/**
 * Puts the error into a set of kernels while `run` runs.
 *
 * @returns whether the error changed anything
 */
export function withMutant(kernels: KernelSet, mutant: Mutant, run: () => void): boolean {
  let changed = false;
  const around = (right: Kernel, values: never[]): unknown => {
    if (mutant.output === 'taps') {
      const taps = (tapsOf[mutant.kernel] as (...given: never[]) => Float32Array)(...values);
      const kept = taps.at(-1) ?? 0;
      taps[taps.length - 1] = 0;
      changed = true;
      const result = right(...values);
      taps[taps.length - 1] = kept;
      return result;
    }
    const result = right(...values);
    if (mutant.output === 'returned') {
      changed = true;
      return scalarErrors[mutant.error as keyof typeof scalarErrors](result);
    }
    const out = outputsIn(mutant.kernel, values)[mutant.output] ?? null;
    if (out === null) return result;
    const before = out.slice();
    errors[mutant.error as keyof typeof errors](out);
    changed ||= differ(out, before);
    return result;
  };
  replaced(kernels, mutant.kernel, around, run);
  return changed;
}

/** Calls `seen` with the outputs of every call of a kernel while `run` runs. */
export function watching(
  kernels: KernelSet,
  seen: (kernel: KernelName, output: string) => void,
  run: () => void,
): void {
  const watch = Object.keys(outputsOf).reduce<() => void>((inner, name) => {
    const kernel = name as KernelName;
    const around = (right: Kernel, values: never[]) => {
      const result = right(...values);
      for (const [output, value] of Object.entries(outputsIn(kernel, values)))
        if (value !== null) seen(kernel, output);
      if (result !== undefined) seen(kernel, 'returned');
      return result;
    };
    return () => {
      replaced(kernels, kernel, around, inner);
    };
  }, run);
  watch();
}

const outputsIn = (kernel: KernelName, values: never[]): Record<string, Values | null> =>
  (outputsOf[kernel] as (...given: never[]) => Record<string, Values | null>)(...values);

function replaced(
  kernels: KernelSet,
  name: KernelName,
  around: (right: Kernel, values: never[]) => unknown,
  run: () => void,
): void {
  const set = kernels as unknown as Record<string, Kernel>;
  const right = set[name] as Kernel;
  set[name] = (...values: never[]) => around(right, values);
  try {
    run();
  } finally {
    set[name] = right;
  }
}
