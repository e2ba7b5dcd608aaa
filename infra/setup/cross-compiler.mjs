import { rm, writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { launchFrom, unpackDebian } from './debian.mjs';
import { installBeside, toolsFolder } from './install.mjs';
import { inPath, run } from './processes.mjs';
import { firstThatWorks } from './sources.mjs';
import { lastLines } from './problem.mjs';

const PROGRAM = 'aarch64-linux-gnu-g++';
const hint = `Install ${PROGRAM} (apt-get install g++-aarch64-linux-gnu).`;

/** @param {string} root */
const folderOf = (root) => join(toolsFolder(root), 'aarch64');

/**
 * A g++ that makes ARM64 code: our own on ARM64, else the one in PATH, else the installed one.
 *
 * @param {{ root: string, env?: NodeJS.ProcessEnv }} o
 * @returns {Promise<string | undefined>}
 */
export async function findCrossCompiler({ root, env = process.env }) {
  const name = arch() === 'arm64' ? 'g++' : PROGRAM;
  return (await inPath(name, env)) ?? (await inPath(PROGRAM, { PATH: folderOf(root) }));
}

/**
 * Puts a cross compiler into .cache/tools/aarch64: the tests prove with it that the kernels compile for ARM64.
 *
 * @param {{ root: string }} o
 * @throws {Problem} with what to install
 */
export async function installCrossCompiler({ root }) {
  const source = { name: 'Debian packages', into: unpack };
  return firstThatWorks([source], ({ name, into }) => installBeside(folderOf(root), name, into), {
    what: 'A compiler for ARM64',
    hint,
  });
}

/** @param {string} folder */
async function unpack(folder) {
  await unpackDebian(['g++-aarch64-linux-gnu'], { folder, withDependencies: true });
  await launchFrom(folder, `usr/bin/${PROGRAM}`, PROGRAM);
  await compileSomething(join(folder, PROGRAM), folder);
  return PROGRAM;
}

/**
 * Compiler, assembler, headers and libraries must find one another.
 *
 * @param {string} compiler
 * @param {string} folder
 */
async function compileSomething(compiler, folder) {
  const [source, object] = [join(folder, 'try.cc'), join(folder, 'try.o')];
  await writeFile(source, '#include <vector>\nint f() { return std::vector<int>(3).size(); }\n');
  const { code, output } = await run(compiler, ['-c', source, '-o', object]);
  if (code !== 0) throw new Error(lastLines(output, 1));
  await rm(source);
  await rm(object);
}
