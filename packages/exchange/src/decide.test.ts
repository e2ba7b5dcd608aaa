import assert from 'node:assert/strict';
import { decide, type Situation } from './decide.js';
import type { Evidence } from './evidence.js';
import { firstView, shardsOf, withNewcomers } from './view.js';

const view = firstView(undefined, 1, ['a', 'b', 'c'], 0, 'first', 6);
const alive = (over: Partial<Evidence['progress']> = {}): Evidence => ({
  connection: '7',
  disconnected: false,
  progress: { step: 5, done: 0, secondsPerLeaf: 1, hangs: false, ready: true, ...over },
});
const expired: Evidence = { ...alive(), connection: undefined, disconnected: true };
const gone: Evidence = { ...alive(), disconnected: true };

const situation = (over: Partial<Situation>): Situation => ({
  view,
  me: 'a',
  step: 5,
  leaves: 6,
  most: 4,
  evidence: new Map(['a', 'b', 'c'].map((worker) => [worker, alive()])),
  suspects: new Map(),
  standbys: [],
  trustUntilMs: 0,
  betweenSteps: false,
  dealAgainMs: 0,
  ...over,
});
const having = (entries: Record<string, Evidence>) =>
  new Map<string, Evidence>([...situation({}).evidence, ...Object.entries(entries)]);

const table: {
  it: string;
  now?: number;
  when: Partial<Situation>;
  then: { reason: string; workers: string[]; why?: RegExp } | undefined;
}[] = [
  { it: 'leaves a healthy view alone', when: {}, then: undefined },
  {
    it: 'buries who has no lease any more',
    when: { evidence: having({ b: expired }) },
    then: { reason: 'lost', workers: ['b'], why: /lease/ },
  },
  {
    it: 'takes one look at a lost connection for a reconnection',
    when: { evidence: having({ b: gone }) },
    then: undefined,
  },
  {
    it: 'buries whose connection has been gone for a while',
    now: 400,
    when: { evidence: having({ b: gone }), suspects: new Map([['b', { connection: '7', sinceMs: 0 }]]) },
    then: { reason: 'lost', workers: ['b'], why: /connection/ },
  },
  {
    it: 'waits before it calls a connection gone for good',
    now: 399,
    when: { evidence: having({ b: gone }), suspects: new Map([['b', { connection: '7', sinceMs: 0 }]]) },
    then: undefined,
  },
  {
    it: 'trusts who came back with another connection',
    now: 400,
    when: { evidence: having({ b: gone }), suspects: new Map([['b', { connection: '6', sinceMs: 0 }]]) },
    then: undefined,
  },
  {
    it: 'buries several at once',
    when: { evidence: having({ b: expired, c: expired }) },
    then: { reason: 'lost', workers: ['b', 'c'] },
  },
  {
    it: 'accuses nobody while it was asleep or the server is new',
    now: 999,
    when: { evidence: having({ b: expired }), trustUntilMs: 1_000 },
    then: undefined,
  },
  {
    it: 'accuses from the moment the amnesty ends',
    now: 1_000,
    when: { evidence: having({ b: expired }), trustUntilMs: 1_000 },
    then: { reason: 'lost', workers: ['b'] },
  },
  { it: 'never accuses itself', when: { evidence: having({ a: expired }) }, then: undefined },
  { it: 'judges nobody without evidence', when: { evidence: new Map() }, then: undefined },
  {
    it: 'lets go of who says that it hangs',
    when: { evidence: having({ c: alive({ hangs: true }) }) },
    then: { reason: 'hung', workers: ['c'] },
  },
  { it: 'does not let anybody in during a step', when: { standbys: ['x'] }, then: undefined },
  {
    it: 'lets in who stands by between two steps, up to the most',
    when: { standbys: ['x', 'y'], betweenSteps: true },
    then: { reason: 'join', workers: ['x'] },
  },
  {
    it: 'lets in only as the first member',
    when: { me: 'b', standbys: ['x'], betweenSteps: true },
    then: undefined,
  },
  {
    it: 'has no room beyond the most',
    when: { standbys: ['x'], betweenSteps: true, most: 3 },
    then: undefined,
  },
  {
    it: 'buries before it welcomes',
    when: { standbys: ['x'], betweenSteps: true, evidence: having({ b: expired }) },
    then: { reason: 'lost', workers: ['b'] },
  },
  {
    it: 'deals anew when one is much slower',
    when: { betweenSteps: true, evidence: having({ c: alive({ secondsPerLeaf: 4 }) }) },
    then: { reason: 'balance', workers: ['a', 'b', 'c'], why: /speed/ },
  },
  {
    it: 'does not deal anew for a small difference',
    when: { betweenSteps: true, evidence: having({ c: alive({ secondsPerLeaf: 1.2 }) }) },
    then: undefined,
  },
  {
    it: 'does not deal anew too soon',
    now: 4_999,
    when: { betweenSteps: true, evidence: having({ c: alive({ secondsPerLeaf: 4 }) }), dealAgainMs: 5_000 },
    then: undefined,
  },
  {
    it: 'does not deal anew before everybody computed',
    when: { betweenSteps: true, evidence: having({ c: alive({ secondsPerLeaf: 0 }) }) },
    then: undefined,
  },
];

describe('decide', () => {
  for (const { it: name, now = 0, when, then } of table) {
    it(name, () => {
      const decision = decide(now, situation(when), 'next');
      assert.equal(decision?.reason, then?.reason);
      if (decision === undefined || then === undefined) return;
      assert.deepEqual(decision.workers, then.workers);
      assert.equal(decision.view.number, view.number + 1);
      assert.equal(decision.view.id, 'next');
      if (then.why !== undefined) assert.match(decision.why, then.why);
    });
  }

  it('gives leaves to a follower that has caught up, not before', () => {
    const followed = withNewcomers(view, ['x'], 5, 4, 'joined');
    const between = (progress: Partial<Evidence['progress']>) =>
      decide(
        0,
        situation({ view: followed, betweenSteps: true, step: 6, evidence: having({ x: alive(progress) }) }),
        'next',
      );
    assert.equal(between({ step: 5, ready: false }), undefined);
    assert.equal(between({ step: 4, ready: true }), undefined);
    const decision = between({ step: 5, ready: true, secondsPerLeaf: 0 });
    assert.deepEqual([decision?.reason, decision?.workers], ['balance', ['x']]);
    assert.deepEqual(decision === undefined ? [] : shardsOf(decision.view, 'x', 7, 6), [5]);
  });

  it('gives the slow fewer leaves', () => {
    const evidence = having({ c: alive({ secondsPerLeaf: 4 }) });
    const decision = decide(0, situation({ betweenSteps: true, evidence }), 'next');
    const counts = ['a', 'b', 'c'].map((worker) =>
      decision === undefined ? 0 : shardsOf(decision.view, worker, 6, 6).length,
    );
    assert.deepEqual(counts, [3, 2, 1]);
  });
});
