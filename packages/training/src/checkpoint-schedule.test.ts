import assert from 'node:assert/strict';
import { createCheckpointSchedule, type CheckpointSchedule } from './checkpoint-schedule.js';

/** Steps up to the last at which a snapshot is taken; `tell` is called after every step. */
function takenBy(
  schedule: CheckpointSchedule,
  from: number,
  to: number,
  tell: (step: number, taken: readonly number[]) => void = () => undefined,
): number[] {
  const taken: number[] = [];
  for (let step = from; step <= to; step++) {
    if (schedule.isDue(step)) {
      schedule.taken(step);
      taken.push(step);
    }
    tell(step, taken);
  }
  return taken;
}

describe('the schedule of checkpoints', () => {
  it('is what the experiment fixes', () => {
    const schedule = createCheckpointSchedule(4);
    schedule.learn({ step: 4, nextStep: 100 });
    assert.deepEqual(takenBy(schedule, 0, 13), [4, 8, 12]);
    assert.equal(schedule.isMoot(8), false);
  });

  it('begins with step 10, and waits for that one before it asks for another', () => {
    assert.deepEqual(takenBy(createCheckpointSchedule(undefined), 0, 100), [10]);
  });

  it('follows what each checkpoint says of the next', () => {
    const schedule = createCheckpointSchedule(undefined);
    const taken = takenBy(schedule, 1, 100, (step) => {
      if (step === 12) schedule.learn({ step: 10, nextStep: 40 });
      if (step === 45) schedule.learn({ step: 40, nextStep: 90 });
    });
    assert.deepEqual(taken, [10, 40, 90]);
  });

  it('asks for none twice while the store still shows the one before', () => {
    const schedule = createCheckpointSchedule(undefined);
    schedule.begin({ step: 10, nextStep: 40 });
    const taken = takenBy(schedule, 11, 80, () => {
      schedule.learn({ step: 10, nextStep: 40 });
    });
    assert.deepEqual(taken, [40]);
  });

  it('counts from an epoch’s end, which every member takes', () => {
    const schedule = createCheckpointSchedule(undefined);
    schedule.begin({ step: 10, nextStep: 40 });
    schedule.taken(39);
    assert.equal(schedule.isDue(40), true, 'what the others mean by now');
    schedule.learn({ step: 39, nextStep: 69 });
    assert.deepEqual(takenBy(schedule, 41, 100), [69]);
  });

  const seats: {
    what: string;
    newest: { step: number; nextStep: number | null } | undefined;
    due: number;
  }[] = [
    { what: 'a store without any', newest: undefined, due: 10 },
    { what: 'one that says when', newest: { step: 100, nextStep: 130 }, due: 130 },
    { what: 'one of a fixed interval, or of old', newest: { step: 100, nextStep: null }, due: 110 },
  ];
  for (const { what, newest, due } of seats) {
    it(`is the same for whoever takes a seat: ${what}`, () => {
      const schedule = createCheckpointSchedule(undefined);
      schedule.taken(999);
      schedule.begin(newest);
      assert.deepEqual(takenBy(schedule, newest?.step ?? 1, 200), [due]);
    });
  }

  it('lets go of a snapshot that the others do not mean', () => {
    const schedule = createCheckpointSchedule(undefined);
    schedule.begin({ step: 10, nextStep: 40 });
    assert.deepEqual(takenBy(schedule, 42, 44), [42], 'it heard late of step 40');
    const moot = (...steps: number[]) => steps.filter((step) => schedule.isMoot(step));
    assert.deepEqual(moot(42), [], 'the one at 40 may never come');
    schedule.learn({ step: 40, nextStep: 90 });
    assert.deepEqual(moot(10, 40, 42, 89, 90), [10, 42, 89]);
    assert.deepEqual(takenBy(schedule, 45, 100), [90]);
  });
});
