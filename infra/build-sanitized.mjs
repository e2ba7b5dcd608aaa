// The addon with address and undefined-behaviour sanitizers, for one test: every source once, with the instructions
// of this machine, in a folder of the caller's.
import { join } from 'node:path';
import { compileObjects } from './build-addon.mjs';
import { run } from './setup/processes.mjs';

const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

/**
 * @param {{ compiler: string, folder: string }} o
 * @returns {Promise<{ addon: string, preload: string, reason?: string }>} preload: the library that a program must
 *   load before the addon; reason: why it could not be built
 */
export async function buildSanitized({ compiler, folder }) {
  const addon = join(folder, 'lvnet.node');
  const { stdout } = await run(compiler, ['-print-file-name=libasan.so']);
  const preload = stdout.trim();
  // Not optimised: that would take three times as long to compile, and leave fewer accesses to look at.
  const extra = ['-O0', '-g1', '-fno-omit-frame-pointer', '-march=native', ...sanitizers];
  // Not as x64, which has a table for each instruction set: one table, with all that this machine can do.
  const { objects, reason } = await compileObjects({ compiler, cpu: 'native', folder, extra });
  if (reason !== undefined) return { addon, preload, reason };
  const { code, output } = await run(compiler, [
    '-shared',
    '-pthread',
    ...sanitizers,
    '-o',
    addon,
    ...objects,
  ]);
  return { addon, preload, ...(code === 0 ? {} : { reason: output }) };
}
