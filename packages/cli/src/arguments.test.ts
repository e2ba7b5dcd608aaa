import assert from 'node:assert/strict';
import { readArguments } from './arguments.js';

describe('arguments', () => {
  it('say before the parsing how errors are to be told', () => {
    assert.deepEqual(readArguments(['data', 'check', 'x', '--json']), {
      words: ['data', 'check', 'x', '--json'],
      json: true,
      debug: false,
    });
    assert.equal(readArguments(['ls', '--', '--json']).json, false, 'behind -- nothing is an option');
    assert.equal(readArguments(['--debug', 'ls']).debug, true);
  });

  it('ask for help in two ways', () => {
    assert.deepEqual(readArguments(['help', 'data', 'check']).words, ['data', 'check', '--help']);
    assert.deepEqual(readArguments(['help']).words, ['--help']);
  });
});
