// npm run setup [-- --test]: everything that start and test need, from a fresh clone. Dependency-free on
// purpose: it runs before node_modules exists. Steps and their order: setup/set-up.mjs.
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = 20;
const usage = `Usage: npm run setup [-- --test]

Installs the dependencies, compiles everything and finds or fetches a Redis.
  --test   also what only the tests need: an S3 server, Prometheus, validators, a cross compiler`;

const args = process.argv.slice(2);
const unknown = args.find((arg) => !['--test', '--help', '-h'].includes(arg));
if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
  const found = `This is Node ${process.versions.node}; lvnet needs ${String(OLDEST_NODE)} or newer.`;
  process.stderr.write(`${found}\nInstall a newer Node and run this again.\n`);
  process.exitCode = 2;
} else if (unknown !== undefined) {
  process.stderr.write(`Unknown argument ${unknown}.\n${usage}\n`);
  process.exitCode = 2;
} else if (args.includes('--help') || args.includes('-h')) {
  process.stdout.write(`${usage}\n`);
} else {
  const { setUpOrExplain } = await import('./setup/set-up.mjs');
  const root = fileURLToPath(new URL('..', import.meta.url));
  if (!(await setUpOrExplain({ root, test: args.includes('--test') }))) process.exitCode = 1;
}
