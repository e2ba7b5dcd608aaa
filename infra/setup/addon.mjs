import { buildAddon, checkAddon } from '../build-addon.mjs';
import { Problem } from './problem.mjs';

const hint = 'Install g++ (apt-get install g++), or set CXX to a C++17 compiler.';

export async function addonIsBuilt() {
  return (await checkAddon()).built;
}

/** @throws {Problem} without a compiler, or with its complaints */
export async function buildAddonOrExplain() {
  const { built, reason = '', compilerMissing } = await buildAddon();
  if (compilerMissing === true) throw new Problem(reason, hint);
  if (!built) throw new Problem('The C++ kernels could not be built.', hint, reason);
}
