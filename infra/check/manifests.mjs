import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What a workspace says about itself.
 *
 * @typedef {object} Workspace
 * @property {string} name as imported, "@lvnet/core"
 * @property {string} folder "packages/core"
 * @property {number} layer higher ones may import lower ones
 * @property {string[]} doors files that others may import: the sources of its exports
 * @property {string[]} workspaces that it lists, by name
 * @property {string[]} libraries that it lists, third-party
 */

/**
 * @typedef {object} Manifest
 * @property {string} name
 * @property {{ layer?: number }} [lvnet]
 * @property {Record<string, { source?: string }>} [exports]
 * @property {Record<string, string>} [dependencies]
 */

/** Schemas sit beside their owners, so everybody may have it. */
export const shared = ['zod'];

/** Above all packages: it tests them together. */
const TEST_LAYER = 100;

/**
 * Reads every workspace's package.json.
 *
 * @param {string} root
 * @returns {Workspace[]}
 * @throws where a manifest has no layer, lists a workspace that is not below it, or a library that another one owns
 */
export function readWorkspaces(root) {
  const folders = [...readdirSync(join(root, 'packages')).map((name) => join('packages', name)), 'test'];
  const workspaces = folders
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .map((folder) => readWorkspace(root, folder));
  const problems = workspaces.flatMap((workspace) => problemsOf(workspace, workspaces));
  if (problems.length > 0)
    throw new Error(`The manifests contradict the architecture.\n${problems.join('\n')}`);
  return workspaces;
}

/**
 * @param {string} root
 * @param {string} folder
 * @returns {Workspace}
 */
function readWorkspace(root, folder) {
  const text = readFileSync(join(root, folder, 'package.json'), 'utf8');
  const manifest = /** @type {Manifest} */ (JSON.parse(text));
  const listed = Object.keys(manifest.dependencies ?? {});
  const layer = folder === 'test' ? TEST_LAYER : manifest.lvnet?.layer;
  if (layer === undefined) throw new Error(`${folder}/package.json has no lvnet.layer.`);
  return {
    name: manifest.name,
    folder,
    layer,
    doors: Object.values(manifest.exports ?? {}).map(({ source = '' }) => join(folder, source)),
    workspaces: listed.filter((name) => name.startsWith('@lvnet/')),
    libraries: listed.filter((name) => !name.startsWith('@lvnet/')),
  };
}

/**
 * @param {Workspace} workspace
 * @param {readonly Workspace[]} all
 */
function problemsOf({ name, layer, workspaces, libraries }, all) {
  const notBelow = workspaces
    .filter((listed) => (all.find((other) => other.name === listed)?.layer ?? Infinity) >= layer)
    .map((listed) => `${name} lists ${listed}, which is not in a layer below it.`);
  const disputed = libraries
    .filter((library) => !shared.includes(library))
    .flatMap((library) =>
      all
        .filter((other) => other.name < name && other.libraries.includes(library))
        .map((other) => `${name} and ${other.name} both list ${library}, which needs one owner.`),
    );
  return [...notBelow, ...disputed];
}
