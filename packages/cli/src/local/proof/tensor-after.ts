import { readSteps } from '@lvnet/checkpoints';
import { asFailure, canonicalJson, Failure } from '@lvnet/core';
import type { Engine } from '@lvnet/engine';
import { buildNetwork } from '@lvnet/networks';
import type { NamedTensor } from '@lvnet/safetensors';
import type { Store } from '@lvnet/store';
import { firstDifference, namedWeights, stateAfter } from '@lvnet/training';
import { say } from '../../cluster/print.js';
import { interruptible } from '../interruptible.js';
import { openEngineLike } from './engine-like.js';
import { readRecordedRun, type RecordedRun } from './recorded-run.js';

/**
 * Compares the weights of two runs after a step, tensor by tensor.
 *
 * @returns the first that differs, or why there is none
 */
export async function tensorAfter(
  store: Store,
  runs: readonly [RecordedRun, RecordedRun],
  step: number,
  threads: number | undefined,
): Promise<{ tensor: string | null; note: string | null }> {
  const [a, b] = runs;
  if (canonicalJson(a.spec.network) !== canonicalJson(b.spec.network)) {
    return { tensor: null, note: 'the networks are different ones' };
  }
  try {
    const [left, right] = await interruptible(
      async (signal) => [
        await weightsAfter(store, a, step, threads, signal),
        await weightsAfter(store, b, step, threads, signal),
      ],
      () => `The runs differ after step ${String(step)}; the tensor was not found.`,
    );
    const tensor = firstDifference(left, right) ?? null;
    return { tensor, note: tensor === null ? 'the weights after it are the same' : null };
  } catch (error) {
    const failure = asFailure(error);
    if (failure.code === 'CANCELLED' || failure.code === 'INTERNAL') throw error;
    return { tensor: null, note: `the tensor cannot be found: ${failure.message}` };
  }
}

/**
 * @throws Failure('DIGEST_MISMATCH') where they are not those that the run recorded, and what doing steps
 *   again throws
 */
async function weightsAfter(
  store: Store,
  descendant: RecordedRun,
  step: number,
  threads: number | undefined,
  signal: AbortSignal,
): Promise<NamedTensor[]> {
  const { document, spec } = await doerOf(store, descendant, step);
  const open = (): Promise<Engine> => {
    say(`doing steps of run ${document.run} again, up to step ${String(step)}`);
    return openEngineLike(document, threads);
  };
  const state = await stateAfter({
    ...{ spec, wire: document.experiment.exchange.wire, store, signal, step, engine: open },
  });
  const recorded = (await readSteps(store, document.run)).find((record) => record.step === step);
  if (recorded !== undefined && recorded.digest !== state.digest) throw notAsRecorded(document.run, step);
  return namedWeights(buildNetwork(spec.network), state.weights);
}

/** The run that did the step: of those before a fork, its parent. */
async function doerOf(store: Store, run: RecordedRun, step: number): Promise<RecordedRun> {
  const { parent } = run.document;
  if (parent === null || step >= parent.step) return run;
  return doerOf(store, await readRecordedRun(store, parent.run), step);
}

function notAsRecorded(run: string, step: number): Failure {
  return new Failure(
    'DIGEST_MISMATCH',
    { run, step },
    {
      message: `step ${String(step)} of run ${run}, done again, is not what the run recorded`,
      hint: `lvnet audit ${run} names what is wrong.`,
    },
  );
}
