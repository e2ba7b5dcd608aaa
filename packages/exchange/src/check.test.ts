import assert from 'node:assert/strict';
import { checkedShard, judgeCheck, parseStatements, type CheckVerdict, type Statement } from './check.js';
import { firstView, withBarred, withoutWorkOf, withSkipped, type View } from './view.js';

const [step, shard, everySteps, leaves] = [100, 2, 50, 4];

const viewOf = (...workers: string[]): View => firstView(undefined, 1, workers, 0, 'id', leaves);
const barred = (view: View, worker: string): View =>
  withBarred(view, step, { shard, worker, why: 'not finite', loss: null }, 'next');
/** As "a=x b=x": a and b said x; of two by the same worker the second is its second. */
const saidOf = (text: string): Statement[] =>
  text
    .split(' ')
    .filter((item) => item !== '')
    .map((item, i, all) => {
      const [worker = '', sha256 = ''] = item.split('=');
      const time = all.slice(0, i).filter((before) => before.startsWith(`${worker}=`)).length;
      return { worker, time, sha256 };
    });

describe('the check of a shard', () => {
  it('takes another shard each time, and none in between', () => {
    const shards = [50, 100, 150, 200, 250].map((at) => checkedShard(at, 50, 4));
    assert.deepEqual(shards, [1, 2, 3, 0, 1]);
    assert.deepEqual(
      [1, 49, 51, 99].map((at) => checkedShard(at, 50, 4)),
      Array(4).fill(undefined),
    );
  });

  const passed: CheckVerdict = { kind: 'passed' };
  const asked = (...workers: string[]): CheckVerdict => ({ kind: 'asked', workers });
  const guilty = (why: string, ...workers: string[]): CheckVerdict => ({ kind: 'guilty', workers, why });
  const undecided = (...workers: string[]): CheckVerdict => ({ kind: 'undecided', workers });
  // Of two members b has shard 2, of three a has 0 and 1, b 2, c 3.
  const [one, two, three] = [viewOf('a'), viewOf('a', 'b'), viewOf('a', 'b', 'c')];
  const gone = { ...two, members: two.members.map((member) => ({ ...member, worker: `${member.worker}2` })) };

  const rows: { what: string; view: View; said: string; verdict: CheckVerdict }[] = [
    { what: 'nobody to compare with', view: one, said: '', verdict: passed },
    { what: 'its member and another one are asked', view: two, said: '', verdict: asked('b', 'a') },
    { what: 'the other one alone', view: two, said: 'b=x', verdict: asked('a') },
    { what: 'its member alone', view: two, said: 'a=x', verdict: asked('b') },
    { what: 'both say the same', view: two, said: 'a=x b=x', verdict: passed },
    { what: 'another one of several each time', view: three, said: '', verdict: asked('b', 'a') },
    {
      what: 'whoever computed it in place of its member counts',
      view: three,
      said: 'a=x c=x',
      verdict: passed,
    },
    { what: 'what somebody said who is gone counts', view: gone, said: 'a=x b=x', verdict: passed },
    { what: 'two differ: a third decides', view: three, said: 'a=x b=y', verdict: asked('c') },
    {
      what: 'the third agrees with one',
      view: three,
      said: 'a=x b=y c=x',
      verdict: guilty('computes otherwise than a and c', 'b'),
    },
    {
      what: 'all three differ: each once more',
      view: three,
      said: 'a=x b=y c=z',
      verdict: asked('a', 'b', 'c'),
    },
    {
      what: 'two differ and are alone: each once more',
      view: two,
      said: 'a=x b=y',
      verdict: asked('a', 'b'),
    },
    { what: 'one has answered, the other has not', view: two, said: 'a=x b=y a=x', verdict: asked('b') },
    {
      what: 'who contradicts itself is wrong',
      view: two,
      said: 'a=x b=y a=x b=x',
      verdict: guilty('contradicts itself', 'b'),
    },
    {
      what: 'both stand by what they said',
      view: two,
      said: 'a=x b=y a=x b=y',
      verdict: undecided('a', 'b'),
    },
    { what: 'both contradict themselves', view: two, said: 'a=x b=y a=z b=z', verdict: undecided('a', 'b') },
    {
      what: 'one is gone, the other stands by it',
      view: viewOf('a'),
      said: 'a=x b=y a=x',
      verdict: guilty('computed otherwise than all who are left', 'b'),
    },
    {
      what: 'one is gone: the other is asked again',
      view: viewOf('a'),
      said: 'a=x b=y',
      verdict: asked('a'),
    },
    { what: 'who is barred is asked no more', view: barred(two, 'a'), said: '', verdict: passed },
    {
      what: 'who is barred is believed no more',
      view: barred(three, 'b'),
      said: 'a=x b=y',
      verdict: asked('c'),
    },
    {
      what: 'samples that are left out',
      view: withSkipped(two, step, shard, 'n'),
      said: '',
      verdict: passed,
    },
    {
      what: 'the step done again without the guilty one',
      view: withoutWorkOf(two, step, 'b', [2, 3], 'n'),
      said: 'a=x b=y a=x b=x',
      verdict: passed,
    },
  ];
  for (const { what, view, said, verdict } of rows) {
    it(what, () => {
      const situation = { view, step, shard, everySteps, statements: saidOf(said) };
      assert.deepEqual(judgeCheck(situation), verdict);
      const turned = { ...situation, statements: [...situation.statements].reverse() };
      assert.deepEqual(judgeCheck(turned), verdict, 'the order in which it was said makes no difference');
    });
  }

  it('reads what the server keeps', () => {
    assert.deepEqual(parseStatements(''), []);
    assert.deepEqual(parseStatements('w1-ab 0 12ef\nw2 1 00\n'), [
      { worker: 'w1-ab', time: 0, sha256: '12ef' },
      { worker: 'w2', time: 1, sha256: '00' },
    ]);
  });
});
