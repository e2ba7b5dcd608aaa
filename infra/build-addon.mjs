// Builds packages/kernels/build/lvnet.node with plain g++ calls: one object per instruction set from one
// source, linked with the bridge. Skipped when nothing changed. Without a compiler: says so, breaks nothing.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'packages/kernels/native');
const build = join(root, 'packages/kernels/build');
const target = join(build, 'lvnet.node');
const stamp = join(build, 'lvnet.stamp');

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
const table = (name, isa, flags) => ({
  file: 'kernels.cc',
  object: `kernels-${isa}.o`,
  flags: ['-ffp-contract=off', ...flags, `-DTABLE=${name}`, `-DTABLE_NAME="${isa}"`],
});

/** @returns {{ file: string, object: string, flags: string[] }[]} */
function units(cpu) {
  const x86 = cpu === 'x64';
  // Baseline code first: of templates that several objects hold the linker keeps the first copy, which
  // must run on every machine.
  return [
    { file: 'addon.cc', object: 'addon.o', flags: x86 ? ['-DLVNET_X86'] : [] },
    { file: 'pool.cc', object: 'pool.o', flags: [] },
    { file: 'exact.cc', object: 'exact.o', flags: ['-ffp-contract=off'] },
    table('tableBaseline', 'baseline', []),
    ...(x86 ? [table('tableAvx2', 'avx2', ['-march=x86-64-v3'])] : []),
    ...(x86 ? [table('tableAvx512', 'avx512', ['-march=x86-64-v4', '-mprefer-vector-width=512'])] : []),
  ];
}

function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('error', (error) => resolve({ code: -1, output: error.message }));
    child.on('close', (code) => resolve({ code, output }));
  });
}

const firstLines = (text) => text.trim().split('\n').slice(0, 12).join('\n').slice(0, 2000);

function includeFolder() {
  const require = createRequire(join(root, 'packages/kernels/package.json'));
  return join(dirname(require.resolve('node-api-headers/package.json')), 'include');
}

function fingerprint(cxx, version, cpu) {
  const hash = createHash('sha256').update(JSON.stringify([cxx, version, cpu, common, units(cpu)]));
  for (const name of readdirSync(source).sort()) hash.update(name).update(readFileSync(join(source, name)));
  return hash.digest('hex');
}

/**
 * @param {{ log?: (text: string) => void }} [options]
 * @returns {Promise<{ built: boolean, skipped?: boolean, reason?: string }>} `built` says whether the addon is there
 */
export async function buildAddon({ log = () => {} } = {}) {
  const cxx = process.env.CXX ?? 'g++';
  const cpu = arch();
  const version = await run(cxx, ['--version']);
  if (version.code !== 0) return { built: false, reason: `${cxx} is not there` };
  const wanted = fingerprint(cxx, version.output.split('\n')[0], cpu);
  if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted)
    return { built: true, skipped: true };
  mkdirSync(build, { recursive: true });
  const include = includeFolder();
  const outcomes = await Promise.all(
    units(cpu).map(({ file, object, flags }) =>
      run(cxx, [
        ...common,
        ...flags,
        '-I',
        include,
        '-I',
        source,
        '-c',
        join(source, file),
        '-o',
        join(build, object),
      ]),
    ),
  );
  const failed = outcomes.find((outcome) => outcome.code !== 0);
  if (failed !== undefined) return { built: false, reason: firstLines(failed.output) };
  for (const { output } of outcomes) if (output.trim() !== '') log(output.trim());
  const temporary = `${target}.new`;
  const objects = units(cpu).map(({ object }) => join(build, object));
  const linked = await run(cxx, ['-shared', '-pthread', '-o', temporary, ...objects]);
  if (linked.code !== 0) return { built: false, reason: firstLines(linked.output) };
  renameSync(temporary, target);
  writeFileSync(stamp, wanted);
  return { built: true };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const result = await buildAddon({ log: (text) => process.stderr.write(`${text}\n`) });
  process.stderr.write(`${JSON.stringify(result)}\n`);
  process.exitCode = result.built ? 0 : 1;
}
