import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { runTool } from '../support/tools.js';
import { readArguments } from './arguments.js';

const main = fileURLToPath(new URL('./main.js', import.meta.url));

describe('what a simulation is asked for', function () {
  this.timeout(60_000);

  for (const args of [
    ['--seed', 'abc'],
    ['--seed', '-3'],
    ['--seed=-3'],
    ['--seed', '1.5'],
    ['--seed', ''],
    ['--count', 'many'],
    ['--count', '2', '--from', '-1', '--cluster'],
  ]) {
    it(`is refused in one line where a number is none: ${args.join(' ')}`, () => {
      const { status, output } = runTool(process.execPath, [main, ...args]);
      assert.match(output, /^--(seed|count|from) has to be a whole number, 0 or more, not "\S*"\.\n$/);
      assert.equal(status, 2);
    });
  }

  it('is refused in one line where nobody knows it', () => {
    const { status, output } = runTool(process.execPath, [main, '--sead', '3']);
    assert.match(output, /^Unknown option '--sead'.*\n$/);
    assert.equal(status, 2);
  });

  it('is a seed, or many', () => {
    const flags = { cluster: false, shrink: false, first: false, json: false, help: false };
    const nothing = { ...flags, seed: undefined, count: undefined, from: 1 };
    assert.deepEqual(readArguments([]), nothing);
    assert.deepEqual(readArguments(['--seed', '7', '--shrink']), { ...nothing, seed: 7, shrink: true });
    const many = ['--json', '--count', '5', '--from=0', '--cluster'];
    assert.deepEqual(readArguments(many), { ...nothing, count: 5, from: 0, json: true, cluster: true });
  });
});
