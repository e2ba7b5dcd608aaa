/** The newest complete checkpoint as the store shows it. */
interface NewestCheckpoint {
  step: number;
  /** When the next one is due, if it says so. */
  nextStep: number | null;
}

/**
 * Which steps end with a checkpoint that no epoch asks for. All members must mean the same steps, whoever
 * writes: where the experiment fixes no interval, the newest complete checkpoint names the next one.
 */
export interface CheckpointSchedule {
  isDue(step: number): boolean;
  /** A snapshot of this step was taken: the next step is not known before it, or a later one, is complete. */
  taken(step: number): void;
  learn(newest: NewestCheckpoint | undefined): void;
  /** A seat is taken: what was taken before it is forgotten. */
  begin(newest: NewestCheckpoint | undefined): void;
  /** The others do not mean this step: nobody is going to write its checkpoint. */
  isMoot(step: number): boolean;
}

/** The first one tells what one costs, and shows early whether the store can be written. */
const firstSteps = 10;

/** @param everySteps what the experiment fixes; undefined: what follows from cost and failures */
export function createCheckpointSchedule(everySteps: number | undefined): CheckpointSchedule {
  return everySteps === undefined ? adaptive() : fixed(everySteps);
}

const fixed = (everySteps: number): CheckpointSchedule => ({
  isDue: (step) => step > 0 && step % everySteps === 0,
  taken: () => undefined,
  learn: () => undefined,
  begin: () => undefined,
  isMoot: () => false,
});

function adaptive(): CheckpointSchedule {
  let newestStep = 0;
  let nextStep = firstSteps;
  let takenStep = 0;
  const learn = (newest: NewestCheckpoint | undefined) => {
    newestStep = newest?.step ?? 0;
    nextStep = newest?.nextStep ?? newestStep + firstSteps;
  };
  /** What was taken is neither complete nor passed over. */
  const isOpen = () => newestStep < takenStep && nextStep <= takenStep;
  return {
    isDue: (step) => !isOpen() && step >= nextStep,
    taken: (step) => {
      takenStep = step;
    },
    learn,
    begin(newest) {
      takenStep = 0;
      learn(newest);
    },
    isMoot: (step) => step !== newestStep && step < nextStep,
  };
}
