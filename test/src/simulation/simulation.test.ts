import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { simulateInProcess, simulateInProcesses } from './processes.js';

const schedules = 10_000;

describe('a simulated cluster', () => {
  it(`keeps its promises under ${String(schedules)} schedules of faults`, async function () {
    this.timeout(600_000);
    const { bad, faults, facts, ...report } = await simulateInProcesses(1, schedules, availableParallelism());
    assert.deepEqual(bad, [], 'replay one with: npm run simulate -- --seed S');
    assert.equal(report.schedules, schedules);
    // Every kind of fault struck, and members did about it what they are there to do.
    const kinds = [
      'kill',
      'kill all',
      'stop',
      'partition',
      'slow link',
      'slow device',
      'redis',
      'redis full',
    ];
    for (const kind of [...kinds, 'notices lost', 'store down', 'poison', 'wrong', 'hang', 'join', 'leave'])
      assert.ok((faults[kind] ?? 0) > schedules / 100, `${kind}: ${String(faults[kind])}`);
    const changes = ['founded', 'join', 'leave', 'lost', 'hung', 'balance', 'retry'];
    for (const kind of [
      ...changes,
      'disconnected',
      'reconnected',
      'refused',
      'speculated',
      'slept',
      'found wrong',
      'read in memory',
      'asked',
    ])
      assert.ok((facts[kind] ?? 0) > 10, `${kind}: ${String(facts[kind])}`);
  });

  it('does the same again with the same seed', async function () {
    this.timeout(60_000);
    const [first, second] = [await simulateInProcess(40, 20), await simulateInProcess(40, 20)];
    assert.deepEqual(first, second);
    assert.ok(first.events > 20_000);
  });
});
