import { tf } from './tfjs.js';

/** One operation as it ran. */
export interface OperationFact {
  /** The layer that was entered last when it ran forward; empty before the first. */
  layer: string;
  /** As `convolution`. */
  operation: string;
  pass: 'forward' | 'backward';
  /** Of a gradient: the inputs by which it is. */
  by: readonly string[];
  /** By performance.now(). */
  startMs: number;
  durationMs: number;
  /** Multiply-adds counted directly, taps beyond the border included; 0 where there are hardly any. */
  macs: number;
  /** Of the tensors that are read and written, each once. */
  bytes: number;
}

/** What a gradient needs to know of its forward run. */
interface Origin {
  layer: string;
  operation: string;
  macs: number;
}

interface Profile {
  layer: string;
  facts: OperationFact[];
  /** By the id of an operation's first output. */
  origins: Map<number, Origin>;
  /** Gradients that are computed together are one fact, by the very array of their inputs' names. */
  gradients: WeakMap<readonly string[], OperationFact>;
  /** Set while a gradient runs, whose operations are parts of it. */
  busy: boolean;
}

let active: Profile | undefined;

/** Whether operations are measured; where not, this question is all that measuring costs. */
export const isProfiling = (): boolean => active !== undefined;

/**
 * Measures every operation that `run` executes, in their order. For engines only that have finished an operation
 * when it returns.
 */
export function profile<T>(run: () => T): { result: T; facts: OperationFact[] } {
  const outer = active;
  const own: Profile = { layer: '', facts: [], origins: new Map(), gradients: new WeakMap(), busy: false };
  active = own;
  try {
    return { result: run(), facts: own.facts };
  } finally {
    active = outer;
  }
}

/** The layer to which the operations from now on belong. */
export function enterLayer(name: string): void {
  if (active !== undefined) active.layer = name;
}

export function measureForward(
  name: string,
  macs: number,
  inputs: Record<string, tf.Tensor>,
  run: () => tf.Tensor[],
): tf.Tensor[] {
  const own = active;
  if (own === undefined || own.busy) return run();
  const startMs = performance.now();
  const outputs = run();
  const durationMs = performance.now() - startMs;
  const origin = { layer: own.layer, operation: plainName(name), macs };
  for (const { id } of outputs) own.origins.set(id, origin);
  const bytes = bytesOf([...Object.values(inputs), ...outputs]);
  own.facts.push({ ...origin, pass: 'forward', by: [], startMs, durationMs, bytes });
  return outputs;
}

/**
 * @param id of the operation's output
 * @param by the inputs whose gradients are computed together: the first of them takes the time
 * @param read what the gradient reads
 */
export function measureBackward(
  id: number | undefined,
  by: readonly string[],
  read: readonly tf.Tensor[],
  run: () => tf.Tensor,
): tf.Tensor {
  const own = active;
  if (own === undefined) return run();
  own.busy = true;
  const startMs = performance.now();
  try {
    const gradient = run();
    const durationMs = performance.now() - startMs;
    const known = own.gradients.get(by);
    if (known === undefined) {
      const fact = { ...costOf(own.origins.get(id ?? -1), by, read, gradient), startMs, durationMs };
      own.facts.push(fact);
      own.gradients.set(by, fact);
    } else {
      known.durationMs += durationMs;
      known.bytes += bytesOf([gradient]);
    }
    return gradient;
  } finally {
    own.busy = false;
  }
}

function costOf(
  origin: Origin | undefined,
  by: readonly string[],
  read: readonly tf.Tensor[],
  gradient: tf.Tensor,
): Omit<OperationFact, 'startMs' | 'durationMs'> {
  const known = origin ?? { layer: '', operation: 'unknown', macs: 0 };
  // By its input and by its weights: each costs as much as forward.
  const passes = Number(by.includes('x')) + Number(by.some((name) => /^w$|weight$/i.test(name)));
  const moved = read.every(({ dataId }) => dataId !== gradient.dataId);
  const bytes = moved ? bytesOf([...read, gradient]) : 0;
  return { ...known, pass: 'backward', by, macs: passes * known.macs, bytes };
}

const bytesOf = (tensors: readonly tf.Tensor[]): number =>
  tensors.reduce((sum, { size }) => sum + 4 * size, 0);

/** LvnetMaxPool: max pool. An operation with a bias is the same one. */
const plainName = (name: string): string =>
  name
    .replace(/^Lvnet|Biased$/g, '')
    .replace(/(?<=[a-z0-9])(?=[A-Z])/g, ' ')
    .toLowerCase();
