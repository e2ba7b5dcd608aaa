import type { Fault, Schedule } from './schedule.js';
import { play } from './simulate.js';

/** The schedule without the faults that a violation does not need. */
export async function shrink(schedule: Schedule): Promise<Schedule> {
  let best = schedule;
  for (let at = 0; at < best.faults.length;) {
    const fewer = { ...best, faults: withoutOne(best.faults, at) };
    const { violations } = await play(fewer, false);
    if (violations.length > 0) best = fewer;
    else at++;
  }
  return best;
}

const withoutOne = (faults: readonly Fault[], at: number): Fault[] => faults.filter((_, i) => i !== at);
