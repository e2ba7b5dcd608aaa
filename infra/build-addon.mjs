// Builds packages/kernels/build/lvnet.node with plain g++ calls: one object per instruction set from one
// source, linked with the bridge. Skipped when nothing changed. Without a compiler: says so, breaks nothing.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './setup/processes.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'packages/kernels/native');
const build = join(root, 'packages/kernels/build');
const target = join(build, 'lvnet.node');
const stampPath = join(build, 'lvnet.stamp');

const common = [
  '-std=c++17',
  '-O3',
  '-fPIC',
  '-pthread',
  '-fvisibility=hidden',
  '-fno-math-errno',
  '-Wall',
  '-Wno-psabi',
  '-Wno-unknown-pragmas',
];

/** Of -O3, what gives kernels nothing and takes a fifth of the time to compile them. */
const withoutGain = [
  'version-loops-for-strides',
  'split-loops',
  'split-paths',
  'loop-interchange',
  'unswitch-loops',
  'ipa-cp-clone',
].map((pass) => `-fno-${pass}`);

/**
 * @param {string} source
 * @param {string} name
 * @param {string} isa
 * @param {string[]} flags
 */
const table = (source, name, isa, flags) => ({
  file: `${source}.cc`,
  object: `${source}-${isa}.o`,
  flags: ['-ffp-contract=off', ...withoutGain, ...flags, `-DTABLE=${name}`, `-DTABLE_NAME="${isa}"`],
});

/**
 * @param {string} isa
 * @param {string[]} flags
 */
const tables = (isa, flags) => {
  const suffix = isa.charAt(0).toUpperCase() + isa.slice(1);
  return [table('kernels', `table${suffix}`, isa, flags), table('dense', `dense${suffix}`, isa, flags)];
};

/**
 * @param {string} cpu as os.arch() names it
 * @returns {{ file: string, object: string, flags: string[] }[]}
 */
function units(cpu) {
  const x86 = cpu === 'x64';
  // Baseline code first: of templates that several objects hold the linker keeps the first copy, which
  // must run on every machine.
  return [
    { file: 'addon.cc', object: 'addon.o', flags: x86 ? ['-DLVNET_X86'] : [] },
    { file: 'dense-bindings.cc', object: 'dense-bindings.o', flags: x86 ? ['-DLVNET_X86'] : [] },
    { file: 'vector-bindings.cc', object: 'vector-bindings.o', flags: [] },
    { file: 'segments.cc', object: 'segments.o', flags: [] },
    { file: 'pool.cc', object: 'pool.o', flags: [] },
    { file: 'exact.cc', object: 'exact.o', flags: ['-ffp-contract=off'] },
    // Where no machine of today runs it, it is there to be right, not to be fast: half the time to compile.
    ...tables('baseline', x86 ? ['-O2'] : []),
    ...(x86 ? tables('avx2', ['-march=x86-64-v3']) : []),
    ...(x86 ? tables('avx512', ['-march=x86-64-v4', '-mprefer-vector-width=512']) : []),
  ];
}

/**
 * Whether the addon is there and made of the present sources by the present compiler. Without a compiler an
 * addon of the present sources is good, and one of other sources is removed: it would compute something else.
 *
 * @returns {Promise<{ built: boolean, reason?: string, compilerMissing?: boolean }>} reason absent: it can be built
 */
export async function checkAddon() {
  const compiler = await compilerVersion();
  const stamped = existsSync(target) ? readStamp() : undefined;
  const current = stamped?.sources === sourcesHash(arch());
  if (compiler !== undefined) return { built: current && stamped.compiler === compiler };
  if (!current) rmSync(target, { force: true });
  return { built: current, reason: `${cxx()} is not there.`, compilerMissing: true };
}

/**
 * @param {{ log?: (text: string) => void }} [options] log gets the compiler's warnings
 * @returns {Promise<{ built: boolean, skipped?: boolean, reason?: string, compilerMissing?: boolean }>}
 *   built: the addon is there; skipped: it was before; reason: why it is not
 */
export async function buildAddon({ log = () => undefined } = {}) {
  const before = await checkAddon();
  if (before.built) return { built: true, skipped: true };
  if (before.reason !== undefined) return before;
  const stamp = { sources: sourcesHash(arch()), compiler: await compilerVersion() };
  const compiled = await compileObjects({ compiler: cxx(), cpu: arch(), folder: build });
  if (compiled.reason !== undefined) return { built: false, reason: compiled.reason };
  if (compiled.warnings !== '') log(compiled.warnings);
  const temporary = `${target}.new`;
  const linked = await run(cxx(), ['-shared', '-pthread', '-o', temporary, ...compiled.objects]);
  if (linked.code !== 0) return { built: false, reason: firstLines(linked.output) };
  renameSync(temporary, target);
  writeFileSync(stampPath, JSON.stringify(stamp));
  return { built: true };
}

/**
 * Compiles every source for that processor, as many at once as there are processors, without linking.
 *
 * @param {{ compiler: string, cpu: string, folder: string, extra?: readonly string[] }} o folder takes the objects;
 *   extra flags follow all others
 * @returns {Promise<{ objects: string[], warnings: string, reason?: string }>} reason: the first failure
 */
export async function compileObjects({ compiler, cpu, folder, extra = [] }) {
  mkdirSync(folder, { recursive: true });
  const include = ['-I', includeFolder(), '-I', source];
  const waiting = units(cpu).sort((a, b) => sizeOf(b) - sizeOf(a));
  /** @type {{ code: number, output: string }[]} */
  const outcomes = [];
  const lane = async () => {
    for (let unit = waiting.shift(); unit !== undefined; unit = waiting.shift()) {
      const what = ['-c', join(source, unit.file), '-o', join(folder, unit.object)];
      outcomes.push(await run(compiler, [...common, ...unit.flags, ...extra, ...include, ...what]));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  const failed = outcomes.find((outcome) => outcome.code !== 0);
  return {
    objects: units(cpu).map(({ object }) => join(folder, object)),
    warnings: outcomes
      .map(({ output }) => output.trim())
      .join('\n')
      .trim(),
    ...(failed === undefined ? {} : { reason: firstLines(failed.output) }),
  };
}

/** The kernels take longest by far, and longer the wider their vectors: begun first. */
const sizeOf = (/** @type {{ file: string, flags: string[] }} */ { file, flags }) =>
  file === 'kernels.cc' ? flags.length : -1;

/** The first complaint explains the others. */
const firstLines = (/** @type {string} */ text) =>
  text.trim().split('\n').slice(0, 12).join('\n').slice(0, 2000);

const cxx = () => process.env['CXX'] ?? 'g++';

async function compilerVersion() {
  const { code, output } = await run(cxx(), ['--version']);
  return code === 0 ? `${cxx()} ${output.split('\n')[0] ?? ''}` : undefined;
}

/** @returns {{ sources?: string, compiler?: string }} empty where nothing whole was built */
function readStamp() {
  try {
    return /** @type {{ sources?: string, compiler?: string }} */ (
      JSON.parse(readFileSync(stampPath, 'utf8'))
    );
  } catch {
    return {};
  }
}

function includeFolder() {
  const require = createRequire(join(root, 'packages/kernels/package.json'));
  return join(dirname(require.resolve('node-api-headers/package.json')), 'include');
}

/** @param {string} cpu */
function sourcesHash(cpu) {
  const hash = createHash('sha256').update(JSON.stringify([cpu, common, units(cpu)]));
  for (const name of readdirSync(source).sort()) hash.update(name).update(readFileSync(join(source, name)));
  return hash.digest('hex');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const result = await buildAddon({ log: (text) => process.stderr.write(`${text}\n`) });
  process.stderr.write(`${JSON.stringify(result)}\n`);
  process.exitCode = result.built ? 0 : 1;
}
