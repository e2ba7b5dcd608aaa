import assert from 'node:assert/strict';
import { checkpointInterval, type IntervalFacts } from './interval.js';
import { failuresOf, type Life } from './lives.js';

const hour = 3_600;

describe('interval between checkpoints', () => {
  const calm: IntervalFacts = {
    ...{ costSeconds: 1, writeSeconds: 2, stepSeconds: 1 },
    ...{ failureCount: 0, observedSeconds: 0 },
  };
  const rows: { what: string; over: Partial<IntervalFacts>; seconds: number; steps: number }[] = [
    // sqrt(2 * 1 s * 21600 s) = 207.8 s
    { what: 'nothing known yet: one failure in six hours', over: {}, seconds: 207.846, steps: 208 },
    { what: 'four times the cost: twice as long', over: { costSeconds: 4 }, seconds: 415.692, steps: 416 },
    // (6 h + 42 h) / 1
    { what: 'two quiet days', over: { observedSeconds: 42 * hour }, seconds: 587.878, steps: 588 },
    // (6 h + 2 h) / 8 = 1 h: sqrt(7200) = 84.85 s
    {
      what: 'seven failures in two hours',
      over: { failureCount: 7, observedSeconds: 2 * hour },
      seconds: 84.853,
      steps: 85,
    },
    { what: 'a cheap one: not below half a minute', over: { costSeconds: 0.01 }, seconds: 30, steps: 30 },
    { what: 'one that costs nothing', over: { costSeconds: 0 }, seconds: 30, steps: 30 },
    {
      what: 'a dear one: a quarter of an hour at most',
      over: { costSeconds: 100 },
      seconds: 900,
      steps: 900,
    },
    { what: 'a slow store: writes do not meet', over: { writeSeconds: 600 }, seconds: 1_200, steps: 1_200 },
    { what: 'steps longer than the interval', over: { stepSeconds: 1_000 }, seconds: 207.846, steps: 1 },
    { what: 'steps of 50 ms', over: { stepSeconds: 0.05 }, seconds: 207.846, steps: 4_157 },
    { what: 'no step measured', over: { stepSeconds: 0 }, seconds: 207.846, steps: 1 },
  ];
  for (const { what, over, seconds, steps } of rows) {
    it(what, () => {
      const found = checkpointInterval({ ...calm, ...over });
      assert.equal(Number(found.seconds.toFixed(3)), seconds);
      assert.equal(found.steps, steps);
    });
  }
});

describe('failures of a run', () => {
  const at = (seconds: number) => seconds * 1_000;
  const life = (started: number, left: number | null = null): Life => ({
    startedMs: at(started),
    leftMs: left === null ? null : at(left),
  });
  const rows: { what: string; lives: Life[]; failures: number; seconds: number }[] = [
    { what: 'none before its first life', lives: [], failures: 0, seconds: 0 },
    { what: 'none in a life that goes on', lives: [life(0)], failures: 0, seconds: 1_000 },
    { what: 'one where a second life was needed', lives: [life(0), life(400)], failures: 1, seconds: 1_000 },
    {
      what: 'none for a pause, whose time does not count',
      lives: [life(0, 100), life(900)],
      failures: 0,
      seconds: 200,
    },
    {
      what: 'two of three, one of which was a pause',
      lives: [life(0), life(100), life(200, 300), life(900)],
      failures: 2,
      seconds: 400,
    },
    { what: 'none where clocks disagree', lives: [life(2_000)], failures: 0, seconds: 0 },
  ];
  for (const { what, lives, failures, seconds } of rows) {
    it(what, () => {
      assert.deepEqual(failuresOf(lives, at(1_000)), { failureCount: failures, observedSeconds: seconds });
    });
  }
});
