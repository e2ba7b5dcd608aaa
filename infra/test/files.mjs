import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Groups in the order in which they run, each with its limits. Unit tests are independent of one another;
 * the others share processors, ports and large files, so they run one by one.
 */
export const groups = /** @type {const} */ ({
  unit: { parallel: true, testMs: 20_000, fileMs: 120_000 },
  integration: { parallel: false, testMs: 60_000, fileMs: 600_000 },
  chaos: { parallel: false, testMs: 120_000, fileMs: 900_000 },
  repo: { parallel: false, testMs: 120_000, fileMs: 600_000 },
});

/**
 * @typedef {keyof typeof groups} Group
 * @typedef {{ group: Group, name: string, source: string, compiled: string }} TestFile paths relative to the root
 */

/**
 * The test files that have a source: what an older build left in dist is none.
 *
 * @param {string} root
 * @returns {TestFile[]} by group, then by name
 */
export function listTests(root) {
  const packages = readdirSync(join(root, 'packages')).map((name) => join('packages', name));
  const order = Object.keys(groups);
  return [...packages, 'test']
    .flatMap((folder) => sourcesOf(root, folder))
    .map(describe)
    .sort((a, b) => order.indexOf(a.group) - order.indexOf(b.group) || (a.name < b.name ? -1 : 1));
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
