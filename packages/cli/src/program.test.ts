import assert from 'node:assert/strict';
import { commandPath, createProgram } from './program.js';

describe('the program', () => {
  it('shows every command in a group', () => {
    const program = createProgram([]);
    const names = program.commands.map((command) => command.name());
    for (const name of ['demo', 'run', 'worker', 'predict']) assert.ok(names.includes(name), name);
    assert.ok(program.commands.every((command) => command.helpGroup() !== ''));
    assert.equal(new Set(names).size, names.length);
  });

  it('knows which command was given', () => {
    const words = ['--debug', 'data', 'check', 'folder', '--json'];
    const program = createProgram(words);
    assert.deepEqual(commandPath(program, words), ['data', 'check']);
  });

  it('names the nearest command for an unknown one', () => {
    assert.throws(() => createProgram(['evalute']), {
      code: 'ARGUMENT_INVALID',
      hint: 'Did you mean lvnet evaluate?',
    });
  });
});
