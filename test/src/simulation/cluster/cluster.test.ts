import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { simulateInProcess, simulateInProcesses } from '../processes.js';

const schedules = 2_000;

describe('simulated coordinators and workers', () => {
  it(`keep their promises under ${String(schedules)} schedules of faults`, async function () {
    this.timeout(600_000);
    const { bad, faults, facts, ...report } = await simulateInProcesses(
      1,
      schedules,
      availableParallelism(),
      'cluster',
    );
    assert.deepEqual(bad, [], 'replay one with: npm run simulate -- --cluster --seed S');
    assert.equal(report.schedules, schedules);
    // Every kind of fault struck, everything was asked for, and leaders changed and were refused.
    const kinds = [
      'kill coordinator',
      'quit coordinator',
      'stop coordinator',
      'cut coordinator off',
      'slow coordinator link',
    ];
    const workerKinds = ['kill worker', 'stop worker', 'cut worker off', 'trainer dies', 'worker leaves'];
    const otherKinds = ['redis', 'store down', 'store fails', 'store slow', 'job lost', 'job doubled'];
    for (const kind of [...kinds, ...workerKinds, ...otherKinds, 'kill all'])
      assert.ok((faults[kind] ?? 0) > schedules / 100, `${kind}: ${String(faults[kind])}`);
    for (const kind of ['asked to cancel', 'asked to pause', 'asked to resume'])
      assert.ok((facts[kind] ?? 0) > 10, `${kind}: ${String(facts[kind])}`);
    assert.ok((facts['leads'] ?? 0) > schedules, 'leaders change');
    // A leader knows by its own clock when its lead is over: its entry comes late only over a slow link.
    assert.ok((facts['refused'] ?? 0) > 0, 'an entry of a former leader was refused');
  });

  it('do the same again with the same seed', async function () {
    this.timeout(60_000);
    const [first, second] = [
      await simulateInProcess(40, 10, { kind: 'cluster' }),
      await simulateInProcess(40, 10, { kind: 'cluster' }),
    ];
    assert.deepEqual(first, second);
    assert.ok(first.events > 20_000);
  });
});

describe('a bug planted into coordinator or queue', () => {
  const bugs = [
    {
      // Each of the two defences alone is enough in these schedules.
      name: 'no fencing of a run’s entry, and a leader that does not look at its own clock',
      edits: [
        {
          file: '/cluster/control-server.js',
          from: 'const accepted = known === null ||',
          to: 'const accepted = true ||',
        },
        { file: '/coordinator/dist/lead.js', from: 'clock.monotonicMs() < held.untilMs', to: 'true' },
      ],
      found: /replaces what a later leader wrote/,
    },
    {
      name: 'a coordinator that goes takes the lock away from whoever leads',
      edits: [
        {
          file: '/cluster/control-server.js',
          from: "if (text(first)?.split(' ')[1] !== args[0])",
          to: 'if (false)',
        },
      ],
      found: /leads while/,
    },
    {
      name: 'a coordinator that forgets after a restart how far a run had come',
      edits: [{ file: '/coordinator/dist/reducer.js', from: 'state: event.state,', to: "state: 'queued'," }],
      found: /goes from/,
    },
    {
      name: 'a coordinator that plans before it looked at what it found',
      edits: [
        {
          file: '/coordinator/dist/coordinator.js',
          from: "await handle(loop, reign, { kind: 'runObserved'",
          to: "if (run.facts !== noFacts || loop.clock.monotonicMs() - reign.discoveredMs > 500) await handle(loop, reign, { kind: 'runObserved'",
        },
      ],
      found: /./,
    },
    {
      name: 'fencing numbers that start again with an empty Redis',
      edits: [{ file: '/cluster/control-server.js', from: 'epochMs + Math.floor(world.nowMs())', to: '0' }],
      found: /./,
    },
  ];
  for (const { name, found, edits } of bugs) {
    it(`is found: ${name}`, async function () {
      this.timeout(240_000);
      const { bad } = await simulateInProcess(1, 1_000, { kind: 'cluster', bug: edits });
      assert.ok(bad.length > 0, 'no schedule found it');
      assert.match(bad.map(({ violations }) => violations.join('\n')).join('\n'), found);
    });
  }
});
