import { readFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installBeside, toolsFolder } from './install.mjs';
import { setUpLock, withLock } from './lock.mjs';
import { lastLines } from './problem.mjs';
import { inPath, run } from './processes.mjs';
import { firstThatWorks } from './sources.mjs';
import { downloadWheel, installWheels } from './wheels.mjs';

/** The binding's JavaScript names it too: packages/engine/package.json. */
const BINDING = '@tensorflow/tfjs-node-gpu@4.22.0';
const VERSION = '2.21.0';
/** Raised when something else is made of the same wheels. */
const RECIPE = 2;
const hint =
  'Needed: g++, python3 with pip, npm; their package registries must be reachable once (some 300 MB). Debian: apt-get install g++ python3-pip.';

/**
 * What is installed: `cuda` where it brings its own CUDA libraries, `library` where it was taken from, `recipe` by
 * which it was made.
 *
 * @typedef {{ version: string, cuda: boolean, library: string, recipe: number }} Installed
 */

/** @param {string} root */
const folderOf = (root) => join(toolsFolder(root), 'tensorflow');

/**
 * @param {{ root: string }} o
 * @returns {Promise<Installed | undefined>} what lies in .cache/tools/tensorflow
 */
export async function findTensorFlow({ root }) {
  const text = await readFile(join(folderOf(root), 'tensorflow.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : /** @type {Installed} */ (JSON.parse(text));
}

/**
 * `makeTensorFlow` by itself, for `lvnet setup tensorflow`: does nothing where that version is there, made as it is
 * made today.
 *
 * @public
 * @param {{ root: string, cuda?: boolean, version?: string, log?: (text: string) => void }} o
 * @returns {Promise<string>} what there is now
 * @throws {Problem} with the reason and what to install
 */
export async function installTensorFlow({ root, cuda = false, version = VERSION, log = () => undefined }) {
  return withLock(setUpLock(root), {}, async () => {
    const there = await findTensorFlow({ root });
    if (there?.version !== version || there.cuda !== cuda || there.recipe !== RECIPE)
      log(`Installed ${await makeTensorFlow({ root, cuda, version })}.`);
    return `TensorFlow ${version}, ${cuda ? 'CUDA' : 'CPU'}, in ${folderOf(root)}`;
  });
}

/**
 * Puts libtensorflow out of a Python wheel and tfjs's binding to it into .cache/tools/tensorflow, whole or not at all.
 *
 * @param {{ root: string, cuda?: boolean, version?: string }} o
 * @returns {Promise<string>} what and whence
 * @throws {Problem} with the reason and what to install
 */
export function makeTensorFlow({ root, cuda = false, version = VERSION }) {
  // A wheel for processors alone exists for x86 only.
  const library = `${cuda || arch() !== 'x64' ? 'tensorflow' : 'tensorflow-cpu'}==${version}`;
  const source = {
    name: `wheel ${library}`,
    into: (/** @type {string} */ folder) => fill(folder, { version, cuda, library, recipe: RECIPE }),
  };
  const attempt = () => installBeside(folderOf(root), library, source.into);
  return firstThatWorks([source], attempt, { what: `TensorFlow ${version}`, hint });
}

/**
 * @param {string} folder
 * @param {Installed} installed
 */
async function fill(folder, installed) {
  const compiler = process.env['CXX'] ?? 'g++';
  for (const program of [compiler, 'python3', 'npm'])
    if ((await inPath(program)) === undefined) throw new Error(`${program} is not there`);
  const downloads = join(folder, 'downloads');
  await mkdir(downloads);
  const [sources, wheel] = await Promise.all([
    fetchBinding(downloads),
    downloadWheel(installed.library, downloads),
  ]);
  await unpackLibrary(wheel, join(folder, 'deps'));
  if (installed.cuda) await installWheels(await cudaWheels(wheel), join(folder, 'deps'), { alone: true });
  await buildBinding(compiler, sources, folder, installed.cuda ? await cudaLibraries(folder) : []);
  await rm(downloads, { recursive: true });
  await rm(join(folder, 'deps/include'), { recursive: true });
  await multiplySomething(folder, installed.version);
  await writeFile(join(folder, 'tensorflow.json'), `${JSON.stringify(installed)}\n`);
  return `TensorFlow ${installed.version}`;
}

/**
 * The package's sources alone, without what it would install.
 *
 * @param {string} downloads
 * @returns {Promise<string>} their folder
 */
async function fetchBinding(downloads) {
  const pack = ['pack', BINDING, '--silent', '--pack-destination', downloads];
  const { code, output } = await run('npm', pack, { cwd: downloads });
  if (code !== 0) throw new Error(`npm pack ${BINDING}: ${lastLines(output, 1)}`);
  const archive = (await readdir(downloads)).find((name) => name.endsWith('.tgz'));
  if (archive === undefined) throw new Error(`npm pack ${BINDING} brought nothing`);
  const unpack = await run('tar', ['-xzf', join(downloads, archive), '-C', downloads]);
  if (unpack.code !== 0) throw new Error(lastLines(unpack.output, 1));
  return join(downloads, 'package');
}

/** Two libraries and the headers of the C interface; pip would unpack a gigabyte of Python beside them. */
const unpacker = `
import os, shutil, sys, zipfile
wheel, target = sys.argv[1:]
headers = 'tensorflow/include/'
kept = ('tensorflow/c/', 'tensorflow/core/platform/ctstring', 'tensorflow/tsl/platform/ctstring',
        'tsl/platform/ctstring', 'tensorflow/tsl/c/', 'xla/tsl/c/', 'tsl/c/')
libraries = ('tensorflow/libtensorflow_cc.so.2', 'tensorflow/libtensorflow_framework.so.2')
archive = zipfile.ZipFile(wheel)
for name in archive.namelist():
    if name in libraries:
        path = os.path.join(target, 'lib', os.path.basename(name))
    elif name.endswith('.h') and name.startswith(headers) and name[len(headers):].startswith(kept):
        path = os.path.join(target, 'include', name[len(headers):])
    else:
        continue
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with archive.open(name) as source, open(path, 'wb') as sink:
        shutil.copyfileobj(source, sink, 1 << 22)
`;

/**
 * @param {string} wheel
 * @param {string} target
 */
async function unpackLibrary(wheel, target) {
  const { code, output } = await run('python3', ['-c', unpacker, wheel, target]);
  if (code !== 0) throw new Error(lastLines(output, 1));
  const libraries = await readdir(join(target, 'lib')).catch(() => []);
  if (libraries.length !== 2) throw new Error('the wheel holds no libtensorflow_cc');
}

/**
 * @param {string} compiler
 * @param {string} sources
 * @param {string} folder
 * @param {readonly string[]} besides libraries below the folder that are to be loaded first
 */
async function buildBinding(compiler, sources, folder, besides) {
  const lib = join(folder, 'deps/lib');
  const front = fileURLToPath(new URL('../../packages/engine/native/device-memory.h', import.meta.url));
  const { code, output } = await run(compiler, [
    ...['-O2', '-std=c++17', '-fPIC', '-shared', '-DNAPI_VERSION=8'],
    ...['-include', front, '-I', nodeHeaders(), '-I', join(folder, 'deps/include')],
    ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(sources, 'binding', name)),
    ...['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'].map((name) => join(lib, name)),
    ...['-Wl,--allow-shlib-undefined', '-Wl,--no-as-needed', ...besides.map((name) => join(folder, name))],
    ...['deps/lib', ...besides.map(dirname)].map((name) => `-Wl,-rpath,$ORIGIN/${name}`),
    ...['-o', join(folder, 'tfjs_binding.node')],
  ]);
  if (code !== 0) throw new Error(`the binding does not compile: ${lastLines(output, 3)}`);
}

function nodeHeaders() {
  const require = createRequire(new URL('../../packages/kernels/package.json', import.meta.url));
  return join(dirname(require.resolve('node-api-headers/package.json')), 'include');
}

/** What TensorFlow opens by name before it uses a GPU; where one is not found it computes without, in silence. */
const neededOnGpus = ['cudart', 'cublas', 'cublasLt', 'cufft', 'cusolver', 'cusparse', 'cudnn'];

/**
 * Those libraries, for the binding to be linked with: TensorFlow's own search path leaves some of them out, but
 * what a process has loaded is found by its name.
 *
 * @param {string} folder
 * @returns {Promise<string[]>} paths in it
 */
async function cudaLibraries(folder) {
  const vendor = 'deps/nvidia';
  const folders = (await readdir(join(folder, vendor))).map((name) => join(vendor, name, 'lib'));
  const listed = folders.map(async (path) => {
    const names = await readdir(join(folder, path)).catch(() => []);
    return names.map((name) => join(path, name));
  });
  const paths = (await Promise.all(listed)).flat();
  return neededOnGpus.map((library) => {
    const name = new RegExp(`^lib${library}\\.so\\.\\d+$`);
    const path = paths.find((found) => name.test(basename(found)));
    if (path === undefined) throw new Error(`the wheels brought no lib${library}`);
    return path;
  });
}

/**
 * The CUDA libraries that a wheel asks for.
 *
 * @param {string} wheel
 */
async function cudaWheels(wheel) {
  const script = `
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
metadata = next(name for name in archive.namelist() if name.endswith('.dist-info/METADATA'))
for line in archive.read(metadata).decode().splitlines():
    if line.startswith('Requires-Dist: nvidia-'):
        print(line[15:].split(';')[0].strip())
`;
  const { code, stdout, output } = await run('python3', ['-c', script, wheel]);
  const wheels = stdout.split('\n').filter((line) => line !== '');
  if (code !== 0 || wheels.length === 0)
    throw new Error(`the wheel names no CUDA libraries ${lastLines(output, 1)}`.trim());
  return wheels;
}

/**
 * In a process of its own: what does not load may end it.
 *
 * @param {string} folder
 * @param {string} version
 */
async function multiplySomething(folder, version) {
  const script = `
const b = require(process.argv[1]);
const make = (shape, values) => b.createTensor(shape, b.TF_FLOAT, Float32Array.from(values));
const type = { name: 'T', type: b.TF_ATTR_TYPE, value: b.TF_FLOAT };
const [product] = b.executeOp('MatMul', [type], [make([2, 2], [1, 2, 3, 4]), make([2, 1], [1, 1])], 1);
console.log(b.TF_Version, ...b.tensorDataSync(product.id));`;
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2', CUDA_VISIBLE_DEVICES: '-1' };
  const arguments_ = ['-e', script, join(folder, 'tfjs_binding.node')];
  const { code, stdout, output } = await run(process.execPath, arguments_, { env, limitMs: 120_000 });
  if (code === 0 && stdout.trim() === `${version} 3 7`) return;
  throw new Error(`what was installed does not run: ${lastLines(output, 3)}`);
}
