import { tf } from './tfjs.js';

/**
 * The value of a scalar function and its gradients by the given tensors. Leaves no tensor behind, whether it
 * returns or throws.
 *
 * As tf.valueAndGrads, whose backward pass keeps every gradient and everything saved until its end; here each goes
 * once its operation is done with it, which halves the peak.
 *
 * @param use sees each gradient's floats (valid during the call only) with its position
 */
export function valueAndGradients(
  f: () => tf.Scalar,
  parameters: readonly tf.Tensor[],
  use: (gradient: Float32Array, position: number) => void,
): number {
  const engine = tf.engine() as unknown as TapeEngine;
  engine.startScope('valueAndGradients');
  try {
    engine.startTape();
    const y = withEnd(
      () => tf.tidy(f),
      () => {
        engine.endTape();
      },
    );
    const gradients = backward(engine.state.activeTape ?? [], y, parameters);
    for (const [i, { id }] of parameters.entries()) {
      const gradient = gradients.get(id);
      if (gradient === undefined) throw new Error('the value does not depend on every parameter');
      use(gradient.dataSync<'float32'>(), i);
    }
    return y.dataSync()[0] ?? Number.NaN;
  } finally {
    dropTape();
    engine.endScope();
  }
}

/** What tfjs writes down of an operation while a tape runs. */
interface TapeNode {
  inputs: Record<string, tf.Tensor>;
  outputs: tf.Tensor[];
  saved?: tf.Tensor[] | undefined;
  gradient?: (dys: tf.Tensor[]) => Record<string, () => tf.Tensor>;
}

interface TapeEngine {
  state: { activeTape: TapeNode[] | null; gradientDepth: number };
  startScope(name: string): void;
  endScope(): void;
  startTape(): void;
  endTape(): void;
}

function withEnd<T>(run: () => T, end: () => void): T {
  try {
    return run();
  } finally {
    end();
  }
}

/** The gradients by tensor id, those of the parameters at least. */
function backward(
  tape: readonly TapeNode[],
  y: tf.Tensor,
  parameters: readonly tf.Tensor[],
): Map<number, tf.Tensor> {
  const wanted = dependents(tape, parameters);
  const kept = new Set(parameters.map(({ id }) => id));
  const gradients = new Map<number, tf.Tensor>([[y.id, tf.scalar(1)]]);
  for (const node of [...tape].reverse()) {
    const [output] = node.outputs;
    const dy = output === undefined ? undefined : gradients.get(output.id);
    if (output !== undefined && dy !== undefined) {
      addGradients(node, dy, wanted, gradients);
      if (!kept.has(output.id)) gradients.delete(output.id);
      if (!kept.has(output.id)) dy.dispose();
    }
    tf.dispose(node.saved ?? []);
    node.saved = [];
  }
  return gradients;
}

/** Ids of all tensors that follow from the parameters, and their own. */
function dependents(tape: readonly TapeNode[], parameters: readonly tf.Tensor[]): Set<number> {
  const ids = new Set(parameters.map(({ id }) => id));
  for (const { inputs, outputs } of tape) {
    if (!Object.values(inputs).some(({ id }) => ids.has(id))) continue;
    for (const { id } of outputs) ids.add(id);
  }
  return ids;
}

function addGradients(
  { inputs, gradient }: TapeNode,
  dy: tf.Tensor,
  wanted: ReadonlySet<number>,
  gradients: Map<number, tf.Tensor>,
): void {
  if (gradient === undefined) throw new Error('an operation of the tape has no gradient');
  const open = gradient([dy]);
  for (const [name, { id }] of Object.entries(inputs)) {
    if (!wanted.has(id)) continue;
    const compute = open[name];
    if (compute === undefined) throw new Error(`no gradient by ${name}`);
    const dx = tf.tidy(compute);
    const before = gradients.get(id);
    gradients.set(id, before === undefined ? dx : tf.add(before, dx));
    if (before !== undefined) tf.dispose([before, dx]);
  }
}

/** After a throw tfjs keeps its tape, and with it every tensor saved for the gradients. */
function dropTape(): void {
  const { state } = tf.engine() as unknown as TapeEngine;
  if (state.activeTape === null || state.gradientDepth > 0) return;
  for (const { saved } of state.activeTape) tf.dispose(saved ?? []);
  state.activeTape = null;
}
