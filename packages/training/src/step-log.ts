import type { StepRecord } from '@lvnet/checkpoints';

/**
 * Records of steps that are not yet known to be in the store. Every member keeps them, since any member
 * may have to write them; readers drop repetitions after checking that their digests agree.
 */
export interface StepLog {
  add(record: StepRecord): void;
  /** Records up to and including the step, oldest first. */
  upTo(step: number): readonly StepRecord[];
  /** The store has the records of these steps. */
  drop(isStored: (step: number) => boolean): void;
  /** A new life starts after this step. */
  rewind(step: number): void;
}

export function createStepLog(): StepLog {
  let records: StepRecord[] = [];
  return {
    add(record) {
      records.push(record);
    },
    upTo: (step) => records.filter((record) => record.step <= step),
    drop(isStored) {
      records = records.filter((record) => !isStored(record.step));
    },
    rewind(step) {
      records = records.filter((record) => record.step <= step);
    },
  };
}
