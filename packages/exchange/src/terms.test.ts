import assert from 'node:assert/strict';
import { differencesOf, parseTerms, unsuitable } from './terms.js';

describe('terms of membership', () => {
  const own = { version: '1.2.0', engine: 'native', shards: '4' };
  const rows: { what: string; theirs: Record<string, string>; differences: string[] }[] = [
    {
      what: 'the same, in any order',
      theirs: { shards: '4', engine: 'native', version: '1.2.0' },
      differences: [],
    },
    {
      what: 'another version',
      theirs: { ...own, version: '1.1.9' },
      differences: ['its version is 1.2.0, that of the members 1.1.9'],
    },
    {
      what: 'more than one',
      theirs: { ...own, engine: 'reference', shards: '8' },
      differences: [
        'its engine is native, that of the members reference',
        'its shards is 4, that of the members 8',
      ],
    },
    {
      what: 'one that the worker does not know',
      theirs: { ...own, colour: 'red' },
      differences: ['its colour is not known, that of the members red'],
    },
    {
      what: 'one that the members do not know',
      theirs: { version: '1.2.0', engine: 'native' },
      differences: ['its shards is 4, that of the members not known'],
    },
  ];
  for (const { what, theirs, differences } of rows) {
    it(what, () => {
      assert.deepEqual(differencesOf(own, theirs), differences);
    });
  }

  it('are told in one sentence', () => {
    const { message } = unsuitable('w1', differencesOf(own, { ...own, engine: 'reference' }));
    assert.equal(message, 'w1 cannot be a member: its engine is native, that of the members reference.');
  });

  it('are not what a stranger writes', () => {
    assert.equal(parseTerms('nonsense'), undefined);
    assert.equal(parseTerms('7'), undefined);
    assert.deepEqual(parseTerms('{"a":"b"}'), { a: 'b' });
  });
});
