import type { ComputeShard } from '@lvnet/exchange';
import type { Network } from '@lvnet/networks';
import { Failure, sleep } from '@lvnet/core';
import { z } from 'zod';
import { namedWeights, type TrainingState } from './state.js';
import type { Reducer } from './stepper.js';
import { setTotalLoss, type VectorLayout } from './vector-layout.js';

const kinds = ['flip', 'nan', 'nan-everywhere', 'spike', 'wrong', 'exit', 'abort', 'kill', 'hang'] as const;

const where = {
  /** Start of the worker's name; the random part of it is not known beforehand. */
  worker: z.string(),
  step: z.number().int().positive(),
};
const faultsSchema = z.array(
  z.discriminatedUnion('kind', [
    z.strictObject({ ...where, kind: z.enum(kinds) }),
    /** From that step on every shard takes so much longer, in which the processors are free. */
    z.strictObject({ ...where, kind: z.literal('slow'), ms: z.number().positive() }),
  ]),
);

/**
 * Fire drills: LVNET_FAULTS names faults to be had on purpose, as
 * [{"worker":"w2","step":12,"kind":"nan"}]. Each happens once, at its worker and step, and says so on stderr;
 * "slow" stays, and its "ms" is what every shard takes longer.
 */
export interface Faults {
  beforeStep(state: TrainingState, network: Network): Promise<void>;
  /** A reducer whose shards go wrong where that is asked for. */
  around(reducer: Reducer, layout: VectorLayout): Reducer;
}

type Fault = z.infer<typeof faultsSchema>[number];
type SlowFault = Extract<Fault, { kind: 'slow' }>;

export function injectFaults(worker: string, env: NodeJS.ProcessEnv = process.env): Faults {
  let planned = readFaults(env).filter((fault) => worker.startsWith(fault.worker));
  const take = (step: number, wanted: readonly Fault['kind'][]): Fault | undefined => {
    const fault = planned.find((item) => item.step === step && wanted.includes(item.kind));
    if (fault === undefined) return undefined;
    planned = planned.filter((item) => item !== fault);
    tell(fault, step);
    return fault;
  };
  const tell = ({ kind }: Fault, step: number) =>
    process.stderr.write(`fault ${kind} at step ${String(step)} of ${worker}\n`);
  /** A bad sample stays bad, whoever computes it and how often. */
  const isBad = (step: number) =>
    planned.some((item) => item.step === step && item.kind === 'nan-everywhere');
  const slow = planned.find((fault): fault is SlowFault => fault.kind === 'slow');
  let isSlow = false;
  /** Also for a worker that comes after the step. */
  const pauseMs = (step: number): number => {
    if (slow === undefined || step < slow.step) return 0;
    if (!isSlow) tell(slow, step);
    isSlow = true;
    return slow.ms;
  };
  return {
    async beforeStep(state, network) {
      const fault = take(state.step + 1, ['flip', 'exit', 'abort', 'kill', 'hang']);
      if (fault === undefined) return;
      if (fault.kind === 'flip') flipBit(state, network);
      else await end(fault.kind);
    },
    around: (reducer, layout) => ({
      ...reducer,
      reduce(step, sha, computeShard) {
        const compute = slowedDown(computeShard, pauseMs(step));
        if (isBad(step)) return reducer.reduce(step, sha, spoilFirstShard(compute));
        const fault = take(step, ['nan', 'spike', 'wrong']);
        if (fault === undefined) return reducer.reduce(step, sha, compute);
        if (fault.kind === 'wrong') return reducer.reduce(step, sha, spoilOnce(compute));
        let left = 1;
        return reducer.reduce(step, sha, async (shard, out, skipped) => {
          const finite = await compute(shard, out, skipped);
          if (left-- !== 1) return finite;
          if (fault.kind !== 'spike') return false;
          setTotalLoss(layout, shard, out, 1e30);
          return finite;
        });
      },
    }),
  };
}

const slowedDown =
  (compute: ComputeShard, pauseMs: number): ComputeShard =>
  async (shard, out, skipped) => {
    if (pauseMs > 0) await sleep(pauseMs);
    return compute(shard, out, skipped);
  };

/** As if the samples of the first shard could not be computed. */
const spoilFirstShard =
  (compute: ComputeShard): ComputeShard =>
  async (shard, out, skipped) =>
    (await compute(shard, out, skipped)) && (shard !== 0 || skipped);

/** Every shard comes out slightly wrong the first time that it is computed, and right after that. */
function spoilOnce(compute: ComputeShard): ComputeShard {
  const spoiled = new Set<number>();
  return async (shard, out, skipped) => {
    const finite = await compute(shard, out, skipped);
    if (!spoiled.has(shard)) out[0] = Math.fround((out[0] ?? 0) * 1.001 + 1e-6);
    spoiled.add(shard);
    return finite;
  };
}

/** The lowest bit of a weight in the middle of the network. */
function flipBit(state: TrainingState, network: Network): void {
  const tensors = namedWeights(network, state.weights);
  const { data } = tensors[tensors.length >> 1] as (typeof tensors)[number];
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
}

async function end(kind: Fault['kind']): Promise<void> {
  if (kind === 'exit') process.exit(7);
  if (kind === 'abort') process.abort();
  if (kind === 'kill') process.kill(process.pid, 'SIGKILL');
  if (kind === 'hang') for (;;); // the computing thread alone: lease and messages go on
  await new Promise(() => undefined);
}

function readFaults(env: NodeJS.ProcessEnv): Fault[] {
  const text = env['LVNET_FAULTS'];
  if (text === undefined || text === '') return [];
  try {
    return faultsSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Failure(
      'ARGUMENT_INVALID',
      { variable: 'LVNET_FAULTS' },
      {
        message: 'LVNET_FAULTS is no list of faults.',
        hint: `For example [{"worker":"w1","step":12,"kind":"nan"}]; kinds: ${kinds.join(', ')}, and slow with its "ms".`,
        cause,
      },
    );
  }
}
