import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Groups in the order in which they run, each with its limits. */
export const groups = /** @type {const} */ ({
  unit: { testMs: 20_000, fileMs: 120_000 },
  integration: { testMs: 60_000, fileMs: 600_000 },
  chaos: { testMs: 120_000, fileMs: 900_000 },
  repo: { testMs: 120_000, fileMs: 600_000 },
});

/**
 * What takes a minute and more, longest first: begun first, so that no lane waits for one of them at the end.
 *
 * @public
 */
export const longest = [
  'test/chaos/faults',
  'test/integration/five-networks',
  'test/repo/sanitizers',
  'exchange/exchange.integration',
  'exchange/returning.integration',
  'test/chaos/poison',
  'test/chaos/store',
  'cli/proof.integration',
  'cli/predict.integration',
  'cli/faults.integration',
  'test/chaos/kills',
];

/**
 * @typedef {keyof typeof groups} Group
 * @typedef {{ group: Group, name: string, source: string, compiled: string }} TestFile paths relative to the root
 */

/**
 * The test files that have a source: what an older build left in dist is none.
 *
 * @param {string} root
 * @returns {TestFile[]} the unit tests by name, then the longest, then the others by group and name
 */
export function listTests(root) {
  const packages = readdirSync(join(root, 'packages')).map((name) => join('packages', name));
  return [...packages, 'test']
    .flatMap((folder) => sourcesOf(root, folder))
    .map(describe)
    .sort((a, b) => placeOf(a) - placeOf(b) || (a.name < b.name ? -1 : 1));
}

/** What compares times, and what has to be done within some: run when nothing else does. */
export const alone = ['test/simulation/simulation', 'test/chaos/coordinator'];

/** @param {TestFile} file */
function placeOf({ group, name }) {
  if (group === 'unit') return -1;
  const place = longest.indexOf(name);
  return place === -1 ? longest.length + Object.keys(groups).indexOf(group) : place;
}

/**
 * @param {string} root
 * @param {string} folder
 */
function sourcesOf(root, folder) {
  const paths = readdirSync(join(root, folder, 'src'), { recursive: true, encoding: 'utf8' });
  return paths.filter((path) => path.endsWith('.test.ts')).map((path) => join(folder, 'src', path));
}

/**
 * @param {string} source
 * @returns {TestFile}
 */
function describe(source) {
  return {
    group: groupOf(source),
    name: source
      .replace(/^packages\//, '')
      .replace('/src/', '/')
      .replace(/\.test\.ts$/, ''),
    source,
    compiled: source.replace('/src/', '/dist/').replace(/\.ts$/, '.js'),
  };
}

/**
 * @param {string} source
 * @returns {Group}
 */
function groupOf(source) {
  if (source.startsWith('test/src/chaos/')) return 'chaos';
  if (source.startsWith('test/src/repo/')) return 'repo';
  return source.startsWith('test/') || source.endsWith('.integration.test.ts') ? 'integration' : 'unit';
}
