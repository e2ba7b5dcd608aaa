import assert from 'node:assert/strict';
import { exitCodeOf, Failure } from '@lvnet/core';
import { CommanderError } from 'commander';
import { explain, isHelpOrVersion } from './errors.js';

const usage = (message: string) => explain(new CommanderError(1, 'commander.x', message), ['data', 'check']);

describe('explain', () => {
  it('keeps failures as they are', () => {
    const failure = new Failure('PORT_IN_USE', {}, { message: 'm' });
    assert.equal(explain(failure, []), failure);
  });

  const texts: [string, string, string][] = [
    [
      "error: unknown option '--jsn'\n(Did you mean --json?)",
      "Unknown option '--jsn'.",
      'Did you mean --json?',
    ],
    [
      "error: missing required argument 'file'",
      "Missing required argument 'file'.",
      'lvnet data check --help shows how.',
    ],
    [
      "error: option '--cases <number>' argument 'a' is invalid. Give a whole number from 1 on.",
      "Option '--cases <number>' argument 'a' is invalid.",
      'Give a whole number from 1 on.',
    ],
  ];
  for (const [text, message, hint] of texts) {
    it(`tells a mistake in the usage as message and hint: ${message}`, () => {
      const failure = usage(text);
      assert.deepEqual([failure.message, failure.hint, exitCodeOf(failure)], [message, hint, 2]);
    });
  }

  it('tells what the system says about a path', () => {
    const error = Object.assign(new Error('x'), { code: 'EACCES', path: '/root/x' });
    const failure = explain(error, []);
    assert.equal(failure.code, 'ARGUMENT_INVALID');
    assert.match(failure.message, /\/root\/x/);
    const full = explain(Object.assign(new Error('x'), { code: 'ENOSPC', path: '/x' }), []);
    assert.deepEqual([full.code, exitCodeOf(full)], ['DISK_FULL', 1]);
  });

  it('owns up to a defect', () => {
    const failure = explain(new TypeError('x is undefined'), []);
    assert.deepEqual([failure.code, exitCodeOf(failure)], ['INTERNAL', 1]);
    assert.match(failure.message, /x is undefined/);
    assert.match(failure.hint, /--debug/);
    assert.equal(explain('a text', []).code, 'INTERNAL');
    assert.equal(explain(undefined, []).code, 'INTERNAL');
  });
});

describe('help and version', () => {
  it('are no errors, a missing command is one', () => {
    assert.equal(isHelpOrVersion(new CommanderError(0, 'commander.helpDisplayed', '')), true);
    assert.equal(isHelpOrVersion(new CommanderError(1, 'commander.help', '')), false);
    assert.equal(isHelpOrVersion(new Error('x')), false);
  });
});
