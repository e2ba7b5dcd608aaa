import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkpointSteps, readCheckpoint } from '@lvnet/checkpoints';
import { readStatus } from '@lvnet/coordinator';
import { openStore, type Store } from '@lvnet/store';
import { temporaryFolder } from '../support/data.js';
import { phantoms, tinyExperiment } from '../support/experiments.js';
import { lvnet, lvnetPath } from '../support/lvnet.js';
import { childrenOf, isRunning } from '../support/processes.js';
import { until } from '../support/until.js';

const limitMs = 120_000;

/** `lvnet up` in a folder of its own, told apart by what it says on stderr. */
interface Up {
  child: ChildProcess;
  folder: string;
  store: Store;
  env: NodeJS.ProcessEnv;
  said(): string;
  /** Exit code and seconds from now. */
  ended(): Promise<{ code: number | null; seconds: number }>;
}

describe('Ctrl-C', function () {
  this.timeout(300_000);
  const folder = temporaryFolder();
  let root: string;
  let running: ChildProcess | undefined;
  before(async () => {
    root = await phantoms(join(folder.path(), 'scans'));
  });
  afterEach(() => {
    running?.kill('SIGKILL');
  });

  async function up(name: string): Promise<Up> {
    const cwd = join(folder.path(), name);
    await mkdir(cwd);
    const env = { ...process.env, ...unset(['LVNET_REDIS_URL', 'LVNET_TENSOR_REDIS_URL', 'LVNET_STORE']) };
    const child = spawn(process.execPath, [lvnetPath, 'up', '--workers', '2', '--port', '0'], {
      cwd,
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    running = child;
    let text = '';
    child.stderr.setEncoding('utf8').on('data', (part: string) => (text += part));
    await until(() => text.includes('lvnet is up') || child.exitCode !== null, limitMs);
    assert.match(text, /lvnet is up/);
    const store = await openStore(pathToFileURL(join(cwd, 'lvnet-data/store')).href);
    const ended = async () => {
      const startMs = performance.now();
      const [code] = (await once(child, 'exit')) as [number | null];
      return { code, seconds: (performance.now() - startMs) / 1000 };
    };
    return { child, folder: cwd, store, env, said: () => text, ended };
  }

  async function train({ folder: cwd, store, env }: Up): Promise<string> {
    const experiment = tinyExperiment(root, {
      epochs: 4_000,
      batch: 2,
      shards: 2,
      everySteps: 100_000,
      patch: [16, 32, 32],
    });
    const file = join(cwd, 'experiment.json');
    const split = { train: 2, validation: 0, test: 0 };
    await writeFile(file, JSON.stringify({ ...experiment, data: { ...experiment.data, split } }));
    const { code, stdout, stderr } = await lvnet(['run', file, '--json'], { cwd, env });
    assert.equal(code, 0, stderr);
    const { run } = JSON.parse(stdout) as { run: string };
    await until(async () => {
      const status = JSON.parse((await lvnet(['status', run, '--json'], { cwd, env })).stdout) as {
        members: unknown[];
        step: number;
      };
      return status.members.length === 2 && status.step >= 3;
    }, limitMs);
    assert.equal((await readStatus(store, undefined, run)).state, 'running');
    return run;
  }

  it('leaves a checkpoint of where the run stands, ends everything, and says 130', async () => {
    const cluster = await up('once');
    const run = await train(cluster);
    const before = (await checkpointSteps(cluster.store, run)).at(-1) ?? 0;
    const children = childrenOf(cluster.child.pid ?? 0);
    assert.ok(children.length >= 5, 'two Redis, a coordinator and two workers');
    const ended = cluster.ended();
    cluster.child.kill('SIGINT');
    const { code } = await ended;
    assert.equal(code, 130);
    assert.match(cluster.said(), /the workers write a checkpoint first/);
    const { state } = await readCheckpoint(cluster.store, run);
    assert.ok(
      state.step > before,
      `a checkpoint of step ${String(state.step)} after that of ${String(before)}`,
    );
    for (const pid of children) assert.ok(!isRunning(pid), `process ${String(pid)} is still there`);
    const again = await lvnet(['ls', '--json'], { cwd: cluster.folder, env: cluster.env });
    assert.equal(again.code, 2, 'no cluster is up here any more');
  });

  it('stops at once when it comes twice', async () => {
    const cluster = await up('twice');
    await train(cluster);
    const children = childrenOf(cluster.child.pid ?? 0);
    const ended = cluster.ended();
    cluster.child.kill('SIGINT');
    await until(() => cluster.said().includes('Stopping'));
    cluster.child.kill('SIGINT');
    const { code, seconds } = await ended;
    assert.equal(code, 130);
    assert.ok(seconds < 5, `took ${seconds.toFixed(1)} s`);
    for (const pid of children) await until(() => !isRunning(pid), 5_000);
  });
});

/** Variables that a spawned process does not get. */
const unset = (names: readonly string[]): NodeJS.ProcessEnv =>
  Object.fromEntries(names.map((name) => [name, undefined]));
