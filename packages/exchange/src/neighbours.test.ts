import assert from 'node:assert/strict';
import { fakeClock } from '@lvnet/core';
import { createNeighbours } from './neighbours.js';
import { createNotices } from './notices.js';
import type { Argument } from './blob-client.js';
import type { Link } from './link.js';
import { firstView, withNewcomers } from './view.js';

function recorder() {
  const sent: string[] = [];
  const command = (args: readonly Argument[]) => {
    sent.push(args.map(String).join(' '));
    return Promise.resolve(1);
  };
  return { sent, link: { command } as unknown as Link };
}

describe('neighbours', () => {
  const view = firstView(undefined, 1, ['a', 'b', 'c'], 0, 'id', 9);
  const open = (opened: 'known' | 'new' | 'replaced' | undefined) => {
    const { sent, link } = recorder();
    const clock = fakeClock();
    const memory = { address: 'here', open: () => opened, keepOnly: () => undefined } as never;
    return { sent, clock, neighbours: createNeighbours({ link, clock, run: 'r', worker: 'a', memory }) };
  };

  it('are those who said that they read', () => {
    const { neighbours } = open('new');
    neighbours.hear(['reads', 'b']);
    assert.deepEqual([neighbours.reads('b'), neighbours.reads('c')], [true, false]);
    assert.equal(neighbours.readAll(view, 5), false);
    neighbours.hear(['reads', 'c']);
    assert.equal(neighbours.readAll(view, 5), true);
    const followed = withNewcomers(view, ['d'], 5, 4, 'id2');
    neighbours.hear(['reads', 'd']);
    assert.equal(neighbours.readAll(followed, 5), false, 'd needs what was before it came');
    neighbours.keepOnly(new Set(['b']), new Set(['b', 'c']));
    assert.deepEqual([neighbours.reads('b'), neighbours.reads('c')], [true, false]);
    neighbours.doubt();
    assert.equal(neighbours.reads('b'), false);
  });

  it('are greeted once for each view, and again after a while', async () => {
    const { neighbours, sent, clock } = open('new');
    const greeting = 'PUBLISH {r}:n memory a here';
    neighbours.greet(view);
    neighbours.greet(view);
    assert.deepEqual(sent, [greeting]);
    neighbours.greet({ ...view, id: 'next' });
    await clock.advance(10_000);
    neighbours.greet({ ...view, id: 'next' });
    assert.equal(sent.length, 3);
    for (const name of ['b', 'c']) neighbours.hear(['reads', name]);
    neighbours.greet({ ...view, id: 'last' });
    assert.equal(sent.length, 3, 'everybody reads');
    neighbours.doubt();
    neighbours.greet({ ...view, id: 'last' });
    assert.equal(sent.length, 4);
  });

  it('that come back under their name with another memory have to say again that they read', () => {
    const { neighbours, sent } = open('replaced');
    for (const name of ['b', 'c']) neighbours.hear(['reads', name]);
    neighbours.greet(view);
    assert.deepEqual(sent, []);
    neighbours.hear(['memory', 'b', 'elsewhere']);
    assert.deepEqual([neighbours.reads('b'), neighbours.reads('c')], [false, true]);
    neighbours.greet(view);
    assert.deepEqual(sent, ['PUBLISH {r}:n:b reads a', 'PUBLISH {r}:n memory a here']);
  });

  it('answer only where they can read', () => {
    for (const opened of ['new', undefined] as const) {
      const { neighbours, sent } = open(opened);
      neighbours.hear(['memory', 'b', 'there']);
      neighbours.hear(['memory', 'a', 'there']);
      assert.deepEqual(sent, opened === 'new' ? ['PUBLISH {r}:n:b reads a'] : []);
    }
  });
});

describe('notices', () => {
  it('of one moment leave together', async () => {
    const { sent, link } = recorder();
    const notices = createNotices(link);
    await Promise.all([notices.tell('x', 'one'), notices.tell('y', 'two'), notices.tell('x', 'three')]);
    await notices.tell('x', 'four');
    assert.deepEqual(sent, ['PUBLISH x one\nthree', 'PUBLISH y two', 'PUBLISH x four']);
  });
});
