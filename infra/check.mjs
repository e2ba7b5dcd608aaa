// npm run check: everything that can be said about the code without running it.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { killRunning, run, shortLived } from './setup/processes.mjs';
import { onlyDependencies, setUpOrExplain } from './setup/set-up.mjs';
import { onStop } from './setup/stop.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** @param {string} path */
const tool = (path) => join(root, 'node_modules', path);

/** Compiling comes before what reads types. */
const checks = [
  {
    name: 'format (prettier)',
    args: [tool('prettier/bin/prettier.cjs'), '--check', '--log-level', 'warn', '.'],
  },
  { name: 'types (tsc -b)', args: [tool('typescript/bin/tsc'), '-b'] },
  { name: 'types of infra (tsc)', args: [tool('typescript/bin/tsc'), '-p', 'infra'] },
  {
    name: 'architecture (depcruise)',
    args: [
      tool('dependency-cruiser/bin/dependency-cruise.mjs'),
      ...['--config', 'infra/check/dependency-rules.mjs', 'packages', 'test', 'dashboards'],
    ],
  },
  {
    name: 'unused code (knip)',
    args: [
      tool('knip/bin/knip.js'),
      '--no-progress',
      '--no-config-hints',
      '--config',
      'infra/check/knip.jsonc',
    ],
  },
  {
    name: 'lint (eslint)',
    args: [
      tool('eslint/bin/eslint.js'),
      '--max-warnings',
      '0',
      '--config',
      'infra/check/eslint.config.mjs',
      '.',
    ],
  },
];

if (await setUpOrExplain({ root, steps: onlyDependencies })) {
  const release = onStop((exitCode) => {
    killRunning();
    process.exit(exitCode);
  });
  const failed = [];
  for (const { name, args } of checks) if (!(await passes(name, args))) failed.push(name);
  release();
  if (failed.length > 0) process.stdout.write(`check failed: ${failed.join(', ')}\n`);
  process.exitCode = failed.length > 0 ? 1 : 0;
} else {
  process.exitCode = 1;
}

/**
 * @param {string} name
 * @param {readonly string[]} args
 */
async function passes(name, args) {
  const startMs = performance.now();
  const { code, output } = await run(process.execPath, [...shortLived, ...args], { cwd: root });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1).padStart(6);
  process.stdout.write(`  ${code === 0 ? '✓' : '✗'} ${name.padEnd(26)}${seconds} s\n`);
  if (code !== 0) process.stdout.write(`${output.trim()}\n`);
  return code === 0;
}
