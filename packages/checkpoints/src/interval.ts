/** What the choice of an interval is made from, all of it measured. */
export interface IntervalFacts {
  /** What a checkpoint takes from training: the copy, and what its upload computes beside it. */
  costSeconds: number;
  /** From the copy to the last byte in the store. */
  writeSeconds: number;
  stepSeconds: number;
  /** Times at which all members were lost, so that a checkpoint was needed. */
  failureCount: number;
  /** Time in which that could have happened. */
  observedSeconds: number;
}

export interface CheckpointInterval {
  steps: number;
  seconds: number;
  meanSecondsBetweenFailures: number;
}

/** Before anything is known a machine is believed to last so long. */
const assumedSeconds = 6 * 3_600;
const leastSeconds = 30;
const mostSeconds = 900;

/**
 * How often to write a checkpoint: sqrt(2 * cost * mean time between failures), the first-order optimum of
 * J. W. Young (1974), between half a minute and a quarter of an hour, and never so often that two writes meet.
 * The mean time between failures is that observed, with one assumed failure in six assumed hours.
 */
export function checkpointInterval(facts: IntervalFacts): CheckpointInterval {
  const { costSeconds, writeSeconds, stepSeconds, failureCount, observedSeconds } = facts;
  const meanSecondsBetweenFailures = (assumedSeconds + observedSeconds) / (1 + failureCount);
  const best = Math.sqrt(2 * costSeconds * meanSecondsBetweenFailures);
  const seconds = Math.max(Math.min(Math.max(best, leastSeconds), mostSeconds), 2 * writeSeconds);
  const steps = stepSeconds > 0 ? Math.max(1, Math.round(seconds / stepSeconds)) : 1;
  return { steps, seconds, meanSecondsBetweenFailures };
}
