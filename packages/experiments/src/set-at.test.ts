import assert from 'node:assert/strict';
import { setAt } from './set-at.js';

describe('setting a value at a path', () => {
  it('makes mappings where there is nothing, and puts them in place of plain values', () => {
    const input = { a: 1 };
    setAt(input, ['a', 'b', 'c'], 2);
    setAt(input, ['d'], 3);
    assert.deepEqual(input, { a: { b: { c: 2 } }, d: 3 });
  });

  it('changes nothing that others hold', () => {
    const shared = { list: [1, { x: 2 }] };
    const input = { one: shared, two: shared };
    setAt(input, ['one', 'list', '1', 'x'], 3);
    assert.deepEqual(input, { one: { list: [1, { x: 3 }] }, two: { list: [1, { x: 2 }] } });
  });

  it('refuses positions that a list does not have', () => {
    for (const position of ['2', '-1', 'length', '']) {
      assert.throws(
        () => {
          setAt({ a: [{ b: [1, 2] }] }, ['a', '0', 'b', position], 3);
        },
        { code: 'ARGUMENT_INVALID', message: /^a\.0\.b has 2 values and none at / },
      );
    }
  });
});
