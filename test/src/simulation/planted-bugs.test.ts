import assert from 'node:assert/strict';
import { simulateInProcess } from './processes.js';

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
    {
      name: 'memory of the dead read in place of that of whoever came back under the name',
      file: '/exchange/dist/peer-memory.js',
      from: 'held?.address === address',
      to: 'held !== undefined',
      found: /has to ask/,
      firstSeed: 7_901,
    },
    {
      name: 'a seat of the dead taken by whoever comes back under the name',
      file: '/exchange/dist/joining.js',
      from: '!waiting.isAnnounced',
      to: 'false',
      found: /./,
      firstSeed: 18_301,
    },
    {
      name: 'a seat kept that a full server did not let it take',
      file: '/exchange/dist/joining.js',
      from: 'context.seated = false;',
      to: '',
      found: /no end within/,
      firstSeed: 16_301,
    },
  ];
  // A thousand schedules; those of rare bugs begin near the first that finds them.
  for (const { name, found, firstSeed = 1, ...bug } of bugs) {
    it(`is found: ${name}`, async function () {
      this.timeout(120_000);
      const { bad } = await simulateInProcess(firstSeed, 1_000, { bug });
      assert.ok(bad.length > 0, 'no schedule found it');
      assert.match(bad.map(({ violations }) => violations.join('\n')).join('\n'), found);
    });
  }
});
