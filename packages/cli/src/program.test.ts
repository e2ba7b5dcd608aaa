import assert from 'node:assert/strict';
import { clusterCommands } from './cluster-catalogue.js';
import { commandPath, createProgram, loadClusterCommands } from './program.js';

describe('the program', () => {
  it('says of a cluster’s commands what they say of themselves', async function () {
    this.timeout(20_000);
    const real = (await loadClusterCommands()).map((command) => ({
      name: command.name(),
      ...(command.aliases().length === 0 ? {} : { alias: command.alias() }),
      description: command.description(),
    }));
    const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);
    assert.deepEqual(real.sort(byName), [...clusterCommands].sort(byName));
  });

  it('shows every command in a group', async () => {
    const program = await createProgram([]);
    const names = program.commands.map((command) => command.name());
    for (const { name } of clusterCommands) assert.ok(names.includes(name), name);
    assert.ok(program.commands.every((command) => command.helpGroup() !== ''));
    assert.equal(new Set(names).size, names.length);
  });

  it('knows which command was given', async () => {
    const words = ['--debug', 'data', 'check', 'folder', '--json'];
    const program = await createProgram(words);
    assert.deepEqual(commandPath(program, words), ['data', 'check']);
  });

  it('names the nearest command for an unknown one', async () => {
    await assert.rejects(createProgram(['evalute']), {
      code: 'ARGUMENT_INVALID',
      hint: 'Did you mean lvnet evaluate?',
    });
  });
});
