// npm test [-- --unit] [-- NAME...]: set-up, then every test file in a process of its own, by group.
import { fileURLToPath } from 'node:url';
import { setUpOrExplain } from './setup/set-up.mjs';
import { listTests } from './test/files.mjs';
import { runGroups } from './test/run-groups.mjs';
import { summary } from './test/summary.mjs';

const usage = `Usage: npm test [-- --unit] [--coverage] [NAME...]

  --unit       only the unit tests
  --coverage   also writes coverage/index.html
  NAME         only files whose path has this text: a package, a folder or a file`;

const root = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);
const options = args.filter((arg) => arg.startsWith('-'));
const unknown = options.find((arg) => !['--unit', '--coverage', '--help', '-h'].includes(arg));

if (unknown !== undefined) {
  process.stderr.write(`Unknown argument ${unknown}.\n${usage}\n`);
  process.exitCode = 2;
} else if (options.includes('--help') || options.includes('-h')) {
  process.stdout.write(`${usage}\n`);
} else if (await setUpOrExplain({ root, test: !options.includes('--unit') })) {
  await test(args.filter((arg) => !arg.startsWith('-')));
} else {
  process.stdout.write('The set-up failed, no test ran.\n0 passed, 1 failed\n');
  process.exitCode = 1;
}

/** @param {readonly string[]} names */
async function test(names) {
  const tests = listTests(root).filter(
    ({ group, source, name }) =>
      (!options.includes('--unit') || group === 'unit') &&
      (names.length === 0 || names.some((text) => source.includes(text) || name.includes(text))),
  );
  const coverage = options.includes('--coverage') ? await import('./test/coverage.mjs') : undefined;
  await coverage?.startCoverage(root);
  const startMs = performance.now();
  const results = await runGroups(tests, { root, write: (text) => process.stdout.write(text) });
  await coverage?.reportCoverage(root);
  const { text, passed } = summary(results, { seconds: (performance.now() - startMs) / 1000, names });
  process.stdout.write(text);
  process.exitCode = passed ? 0 : 1;
}
