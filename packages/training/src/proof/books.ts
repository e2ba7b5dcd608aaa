import {
  checkChain,
  checkpointSteps,
  listCheckpoints,
  readCheckpoint,
  readStepLines,
  type Manifest,
  type RecordedRun,
  type StepRecord,
} from '@lvnet/checkpoints';
import { asFailure } from '@lvnet/core';
import { buildNetwork } from '@lvnet/networks';
import type { Store } from '@lvnet/store';
import { epochOf, learningRateAt, type TrainingSpec } from '../spec.js';
import { initialState } from '../state.js';
import { checkJoinedLog } from './joined-log.js';
import { checkLedger, type EpochLedger } from './ledger.js';

/** A run's past: how it began, and how it ended, if it did. */
export interface RunPast {
  spec: TrainingSpec;
  /** SHA-256 of the weights of the checkpoint that it started from, where that is known. */
  startWeights?: string;
  finished: { step: number; digest: string } | null;
}

export interface BookProblem {
  /** The ledger is about samples, the chain about everything else. */
  kind: 'chain' | 'ledger';
  /** null for what concerns no single step. */
  step: number | null;
  message: string;
}

type Problem = Omit<BookProblem, 'kind'>;

/** What a run's records, checkpoints and ledger say, nothing recomputed. */
export interface Books {
  startStep: number;
  lastStep: number;
  records: StepRecord[];
  manifests: Manifest[];
  /** Steps whose checkpoints are whole and links of the chain; steps can be done again from there. */
  soundSteps: number[];
  ledger: EpochLedger[];
  problems: BookProblem[];
}

/** Reads all that a run has recorded and checks it against itself and its plan. */
export async function readBooks(store: Store, past: RunPast): Promise<Books> {
  const { spec, finished } = past;
  const damagedCheckpoints = await findDamaged(store, spec.run);
  const manifests = await listCheckpoints(store, spec.run);
  const { records: lines, damaged } = await readStepLines(store, spec.run); // written before their checkpoint
  const start = startOf(past);
  const { records, lastStep, problems } = checkChain({ start, records: lines, manifests, finished });
  const ledger = checkLedger(spec, { records, after: start.step, lastStep });
  const wrong = new Set([...damagedCheckpoints, ...problems].map(({ step }) => step));
  const unreadable = damaged.map(({ key, line }) => ({
    step: null,
    message: `${key} line ${String(line)}: is no record`,
  }));
  const joined = { parts: lines, isFinished: finished !== null };
  const ofChain: Problem[] = [
    ...unreadable,
    ...(await checkJoinedLog(store, spec.run, joined)),
    ...damagedCheckpoints,
    ...lostBeginning(spec, manifests),
    ...problems,
    ...strangeRates(spec, records),
  ];
  const all: BookProblem[] = [
    ...ofChain.map((problem) => ({ kind: 'chain' as const, ...problem })),
    ...ledger.flatMap(ledgerProblems).map((problem) => ({ kind: 'ledger' as const, ...problem })),
  ];
  const soundSteps = manifests.map(({ step }) => step).filter((step) => !wrong.has(step));
  if (spec.start === null && !soundSteps.includes(0)) soundSteps.unshift(0);
  return { startStep: start.step, lastStep, records, manifests, soundSteps, ledger, problems: all };
}

function startOf({ spec, startWeights }: RunPast): RecordedRun['start'] {
  if (spec.start !== null) return { ...spec.start, weights: startWeights ?? null };
  const { digest, weightsSha256 } = initialState(buildNetwork(spec.network), spec.seed);
  return { step: 0, digest, weights: weightsSha256 };
}

/** What a run starts from is nowhere else: its steps could not be done again. */
function lostBeginning({ start }: TrainingSpec, manifests: readonly Manifest[]): Problem[] {
  if (start === null || manifests.some(({ step }) => step === start.step)) return [];
  return [{ step: start.step, message: 'the checkpoint that the run started from is gone' }];
}

/** Reads every checkpoint: sizes and hashes must be those of its manifest. */
async function findDamaged(store: Store, run: string): Promise<{ step: number; message: string }[]> {
  const problems: { step: number; message: string }[] = [];
  for (const step of await checkpointSteps(store, run)) {
    try {
      await readCheckpoint(store, run, step);
    } catch (error) {
      const failure = asFailure(error);
      if (failure.code === 'CHECKPOINT_NOT_FOUND') continue; // a running training has just let it go
      if (failure.code !== 'CHECKPOINT_CORRUPT') throw error;
      problems.push({ step, message: failure.message });
    }
  }
  return problems;
}

function strangeRates(spec: TrainingSpec, records: readonly StepRecord[]): Problem[] {
  return records.flatMap(({ step, epoch, lr }) => [
    ...(epoch === epochOf(spec, step)
      ? []
      : [{ step, message: `its record says epoch ${String(epoch)}, it is ${String(epochOf(spec, step))}` }]),
    ...(lr === learningRateAt(spec, step)
      ? []
      : [
          {
            step,
            message: `its record says learning rate ${String(lr)}, it was ${String(learningRateAt(spec, step))}`,
          },
        ]),
  ]);
}

function ledgerProblems({ epoch, missing, doubled, foreign }: EpochLedger): Problem[] {
  const tell = (ids: readonly string[], what: string): Problem[] =>
    ids.length === 0 ? [] : [{ step: null, message: `epoch ${String(epoch)}: ${what}: ${shortList(ids)}` }];
  return [
    ...tell(missing, 'never used'),
    ...tell(doubled, 'used more than once'),
    ...tell(foreign, 'used although they do not belong to it'),
  ];
}

const shownIds = 8;

function shortList(ids: readonly string[]): string {
  const more = ids.length > shownIds ? ` and ${String(ids.length - shownIds)} more` : '';
  return `${ids.slice(0, shownIds).join(', ')}${more}`;
}
