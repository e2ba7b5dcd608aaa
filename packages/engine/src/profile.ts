import type { OwnBackend } from './backend.js';
import type { Gradients } from './recording.js';
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
  /** Gradients that come together are one fact, by the very array of their inputs' names. */
  gradients: WeakMap<readonly string[], OperationFact>;
  /** Set while a gradient runs, whose operations are parts of it. */
  busy: boolean;
}

let active: Profile | undefined;

/** Whether operations are measured; where not, this question is all that measuring costs. */
export const isProfiling = (): boolean => active !== undefined;

/**
 * Measures every operation that `run` executes, in their order, and waits for each: on a GPU the whole takes longer
 * than without.
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
  finished(outputs);
  const durationMs = performance.now() - startMs;
  const origin = { layer: own.layer, operation: plainName(name), macs };
  for (const { id } of outputs) own.origins.set(id, origin);
  const bytes = bytesOf([...Object.values(inputs), ...outputs]);
  own.facts.push({ ...origin, pass: 'forward', by: [], startMs, durationMs, bytes });
  return outputs;
}

/**
 * What a gradient function computes before it hands out the first gradient belongs to those that come together.
 *
 * @param id of the operation's output
 * @param read what the gradients read
 */
export function measureTogether(
  id: number | undefined,
  read: readonly tf.Tensor[],
  run: () => Gradients | undefined,
): Gradients | undefined {
  const own = active;
  if (own === undefined) return run();
  const computedBy = (gradients: Gradients | undefined) =>
    Object.values(gradients ?? {}).filter(({ together }) => together !== undefined);
  const { result, ...times } = timed(own, run, (gradients) =>
    computedBy(gradients).map((handOut) => handOut()),
  );
  const by = computedBy(result)[0]?.together;
  if (by !== undefined) {
    const fact = { ...costOf(own, id, by), ...times, bytes: bytesOf(read) };
    own.facts.push(fact);
    own.gradients.set(by, fact);
  }
  return result;
}

/**
 * @param id of the operation's output
 * @param by the inputs whose gradients are computed together
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
  const { result: gradient, ...times } = timed(own, run, (tensor) => [tensor]);
  const computed = own.gradients.get(by);
  if (computed === undefined) {
    const moved = read.every(({ dataId }) => dataId !== gradient.dataId);
    own.facts.push({ ...costOf(own, id, by), ...times, bytes: moved ? bytesOf([...read, gradient]) : 0 });
  } else {
    computed.bytes += bytesOf([gradient]); // handing it out takes no time
  }
  return gradient;
}

/** Of one device all are there when the last one is. */
function finished(tensors: readonly tf.Tensor[]): void {
  const last = tensors.at(-1);
  if (last !== undefined) (tf.backend() as OwnBackend).finish(last);
}

/** Times a gradient, whose operations are parts of it. */
function timed<T>(
  own: Profile,
  run: () => T,
  madeBy: (result: T) => readonly tf.Tensor[],
): { result: T; startMs: number; durationMs: number } {
  own.busy = true;
  const startMs = performance.now();
  try {
    const result = run();
    finished(madeBy(result));
    return { result, startMs, durationMs: performance.now() - startMs };
  } finally {
    own.busy = false;
  }
}

function costOf(
  { origins }: Profile,
  id: number | undefined,
  by: readonly string[],
): Origin & Pick<OperationFact, 'pass' | 'by'> {
  const known = origins.get(id ?? -1) ?? { layer: '', operation: 'unknown', macs: 0 };
  // By its input and by its weights: each costs as much as forward.
  const passes = Number(by.includes('x')) + Number(by.some((name) => /^w$|weight$/i.test(name)));
  return { ...known, pass: 'backward', by, macs: passes * known.macs };
}

const bytesOf = (tensors: readonly tf.Tensor[]): number =>
  tensors.reduce((sum, { size }) => sum + 4 * size, 0);

/** LvnetMaxPool: max pool. An operation with a bias is the same one. */
const plainName = (name: string): string =>
  name
    .replace(/^Lvnet|Biased$/g, '')
    .replace(/(?<=[a-z0-9])(?=[A-Z])/g, ' ')
    .toLowerCase();
