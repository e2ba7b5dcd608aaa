import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repository } from '../support/data.js';
import { runTool } from '../support/tools.js';

/** `npx lvnet run FILE --watch` as its words, whatever comes in front of it on the line. */
const commandLines = (text: string): string[][] =>
  [...text.matchAll(/\bnpx lvnet ([a-z][^\n\\`'#]*)/g)].map(([, line = '']) => line.trim().split(/\s+/));

const help = new Map<string, string>();

/** The help of a command; fails for one that does not exist. */
function helpOf(words: readonly string[]): string {
  const isGroup = words[0] === 'data';
  const command = words.slice(0, isGroup ? 2 : 1);
  const key = command.join(' ');
  const known = help.get(key);
  if (known !== undefined) return known;
  const bin = join(repository, 'packages/cli/bin/lvnet.js');
  const { status, output } = runTool(process.execPath, [bin, ...command, '--help']);
  assert.equal(status, 0, `lvnet ${key}: ${output}`);
  assert.match(output, new RegExp(`^Usage: lvnet ${key}\\b`), `lvnet ${key} is a command of its own`);
  help.set(key, output);
  return output;
}

function checkLine(words: readonly string[], where: string): void {
  const text = helpOf(words);
  for (const option of words.filter((word) => /^--[a-z]/.test(word))) {
    const [name = ''] = /^--[a-z][a-z-]*/.exec(option) ?? []; // a sentence may go on behind it
    assert.match(text, new RegExp(`${name}\\b`), `${where}: ${words.join(' ')}`);
  }
}

describe('commands that are written down', function () {
  this.timeout(60_000);

  it('exist, with their options, where the README shows them', async () => {
    const lines = commandLines(await readFile(join(repository, 'README.md'), 'utf8'));
    assert.ok(lines.length >= 6, 'the README shows commands');
    for (const words of lines) checkLine(words, 'README.md');
  });

  it('exist where messages and help name them', async () => {
    let found = 0;
    for (const name of await readdir(join(repository, 'packages'))) {
      const folder = join(repository, 'packages', name, 'src');
      for (const file of await readdir(folder, { recursive: true })) {
        if (!file.endsWith('.ts') || /\.(test|fixture)\.ts$/.test(file)) continue;
        const lines = commandLines(await readFile(join(folder, file), 'utf8'));
        for (const words of lines.filter(([first = '']) => /^[a-z]+$/.test(first))) {
          checkLine(words, join(name, file));
          found++;
        }
      }
    }
    assert.ok(found >= 10, 'messages name commands');
  });

  it('of npm exist where the README shows them', async () => {
    const [text, manifest] = await Promise.all(
      ['README.md', 'package.json'].map((name) => readFile(join(repository, name), 'utf8')),
    );
    const { scripts } = JSON.parse(manifest ?? '') as { scripts: Record<string, string> };
    const named = [...(text ?? '').matchAll(/\bnpm (start|test|run ([a-z:]+))/g)];
    assert.ok(named.length >= 3, 'the README shows scripts');
    for (const [, word = '', script] of named) assert.ok((script ?? word) in scripts, script ?? word);
  });
});
