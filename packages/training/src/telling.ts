import { counted } from '@lvnet/core';
import { shardsOf, type ChangeReason, type ExchangeFact, type View } from '@lvnet/exchange';
import type { CheckpointKeeper } from './checkpoint-keeper.js';
import type { TrainingFact } from './facts.js';
import { epochOf, type TrainingSpec } from './spec.js';
import type { TrainingState } from './state.js';
import type { StepOutcome } from './stepper.js';

export interface TellStepParts {
  spec: TrainingSpec;
  view: View | undefined;
  rank: number;
  /** Shards of the sum that this member computed. */
  shards: number;
  keeper: CheckpointKeeper<TrainingState>;
  report: (fact: TrainingFact) => void;
}

/** Reports a committed step as this member saw it. */
export function tellStep(
  outcome: StepOutcome,
  { spec, view, rank, shards, keeper, report }: TellStepParts,
): void {
  const { step, digest } = outcome.state;
  report({
    kind: 'step',
    step,
    epoch: epochOf(spec, step),
    stepsTotal: spec.stepsTotal,
    digest,
    losses: outcome.losses,
    members: (view?.members ?? []).map(({ worker }) => ({
      worker,
      shards: view === undefined ? [] : shardsOf(view, worker, step, spec.shards),
    })),
    life: view?.life ?? 0,
    isWriter: rank === 0,
    shards,
    phases: outcome.phases,
    stepSeconds: outcome.seconds,
    samplesPerSecond: outcome.samples / outcome.seconds,
    checkpoint: keeper.newest(),
  });
}

const viewChanges: Partial<Record<ChangeReason, 'join' | 'leave' | 'lost'>> = {
  founded: 'join',
  join: 'join',
  leave: 'leave',
  lost: 'lost',
  hung: 'lost',
};

/** What the exchange reports, in words; undefined for what is no news to a person. */
export function exchangeNote(fact: ExchangeFact, worker: string): TrainingFact | undefined {
  switch (fact.kind) {
    case 'view': {
      const viewChange = viewChanges[fact.reason];
      const members = `${String(fact.view.members.length)} members now`;
      const text = fact.reason === 'founded' ? fact.why : `${fact.why}; ${members}`;
      return { kind: 'note', text, ...(viewChange === undefined ? {} : { viewChange }) };
    }
    case 'disconnected':
      return { kind: 'note', text: `${worker} lost the tensor Redis: ${fact.message}` };
    case 'reconnected':
      return { kind: 'note', text: `${worker} has the tensor Redis again` };
    case 'refused':
      return { kind: 'note', text: `the tensor Redis refuses to write: ${fact.message}; trying again` };
    case 'serverError':
      return {
        kind: 'note',
        text: `the tensor Redis answers ${worker} again and again: ${fact.message}`,
      };
    case 'slept':
      return { kind: 'note', text: `${worker} was stopped for ${fact.seconds.toFixed(1)} s` };
    case 'strange':
      return {
        kind: 'note',
        text: `the key ${fact.key} on the tensor Redis holds what no member wrote: ${fact.found}; does somebody else use that server?`,
      };
    case 'standsBy': {
      const { members, shards } = fact;
      const why = members >= shards ? `${counted(shards, 'shard')} can use no more` : 'no more are wanted';
      return { kind: 'note', text: `${worker} stands by: there are ${String(members)} members, and ${why}` };
    }
    case 'speculated':
    case 'computed':
      return undefined;
  }
}
