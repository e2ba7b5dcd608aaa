import { join } from 'node:path';
import { Problem, lastLines } from './problem.mjs';
import { run, shortLived } from './processes.mjs';

/** @param {string} root */
const tsc = (root) => [...shortLived, join(root, 'node_modules/typescript/bin/tsc')];

/** @param {{ root: string }} o */
export async function isCompiled({ root }) {
  const { code, output } = await run(process.execPath, [...tsc(root), '-b', '--dry'], { cwd: root });
  return code === 0 && !output.includes('would ');
}

/**
 * @param {{ root: string }} o
 * @throws {Problem} with the compiler's complaints
 */
export async function compile({ root }) {
  const { code, output } = await run(process.execPath, [...tsc(root), '-b'], { cwd: root });
  if (code !== 0) throw new Problem('tsc -b failed.', 'Mend the lines above.', lastLines(output, 40));
}
