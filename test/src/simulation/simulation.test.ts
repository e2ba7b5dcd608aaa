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

describe('a bug planted into the protocol', () => {
  const bugs = [
    {
      name: 'sums in the order in which parts arrive',
      file: '/exchange/dist/bucket-sum.js',
      from: 'sumInto(place, root, given, sums);',
      to: `const seen = new Set();
           place.fill(0);
           for (const [name, values] of nodes) {
             const [lo, hi] = name.split('-').map(Number);
             const own = Array.from({ length: hi - lo }, (_, i) => lo + i);
             if (own.some((leaf) => seen.has(leaf))) continue;
             for (const leaf of own) seen.add(leaf);
             sums.add(place, values, place);
           }
           for (let leaf = 0; leaf < shards; leaf++) if (!seen.has(leaf)) sums.add(place, leafPart(leaf), place);`,
      found: /other weights|two byte strings/,
    },
    {
      name: 'a view that is replaced whatever it is by now',
      file: '/simulation/sim-redis.js',
      from: `if (args[2] === '' ? view !== undefined : !isSame(view, args))`,
      to: 'if (false)',
      found: /./,
    },
    {
      name: 'a step that is committed before its check is through',
      file: '/exchange/dist/stepping.js',
      from: 'exchange.isDone(view) && checking?.isPassed() !== false',
      to: 'exchange.isDone(view)',
      found: /other weights|nobody noticed/,
    },
    {
      name: 'members given up early after a Redis restart',
      file: '/exchange/dist/context.js',
      from: 'const newServerMs = 2_500;',
      to: 'const newServerMs = -1e9;',
      found: /was given up/,
    },
  ];
  for (const { name, found, ...bug } of bugs) {
    it(`is found: ${name}`, async function () {
      this.timeout(120_000);
      const { bad } = await simulateInProcess(1, 1_000, { bug });
      assert.ok(bad.length > 0, 'no schedule found it');
      assert.match(bad.map(({ violations }) => violations.join('\n')).join('\n'), found);
    });
  }
});
