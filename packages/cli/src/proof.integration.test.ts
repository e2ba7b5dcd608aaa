import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identityOfRun } from '@lvnet/experiments';
import { runIdOf, type RunDocument } from '@lvnet/experiments';
import { writePhantomDataset } from '@lvnet/volumes';
import {
  cliFolder,
  documentOf,
  runCli,
  startCli,
  type CliResult,
  type ErrorDocument,
  type RunningCli,
} from './cli.fixture.js';

interface Submitted {
  run: string;
  name: string;
  created: boolean;
  parent: { run: string; step: number; digest: string } | null;
}

interface Audit {
  holds: boolean;
  steps: { first: number; last: number };
  digest: string;
  chain: { holds: boolean; checkpoints: number[] };
  ledger: { holds: boolean; epochs: { expected: number; once: number }[] };
  seed: number;
  recomputed: { step: number; fromStep: number; holds: boolean; tensor: string | null }[];
  problems: { kind: string; step: number | null; message: string }[];
}

interface Diff {
  same: boolean;
  compared: number;
  firstDivergingStep: number | null;
  tensor: string | null;
  note: string | null;
  experiment: { path: string; a: unknown; b: unknown; decides: boolean }[];
}

/** Two training cases of 16 slices in blocks of 4: two steps of four samples an epoch. */
const experiment = (root: string) => `
name: proven
seed: 5
data: { root: ${root}, split: { train: 2, validation: 1, test: 0 }, patch: [4, 32, 32] }
network: { baseWidth: 2, levels: 2, blocksPerStage: 1, expansionRate: 2, kernel: 3 }
loss: { eta: [0.5] }
training: { batch: 4, epochs: 5, stop: { patience: 9 } }
workers: { max: 2 }
checkpoint: { everySteps: 100, keep: 2 }
`;

describe('lvnet audit, fork and diff, on a run of a local cluster', function () {
  this.timeout(180_000);
  const folder = cliFolder();
  let cluster: RunningCli | undefined;
  let run: string;
  let fork: Submitted;
  let changed: Submitted;
  let further: Submitted;
  let drawn: Submitted;
  const cli = (...args: string[]) => runCli(args, folder.options());
  const ofCopy = (name: string, ...args: string[]) => cli(...args, '--store', name);
  const json = async <T>(result: Promise<CliResult>): Promise<T> => {
    const found = await result;
    assert.equal(found.code, 0, found.stderr + found.stdout);
    return documentOf<T>(found);
  };
  const refused = async (code: number, result: Promise<CliResult>) => {
    const found = await result;
    assert.equal(found.code, code, found.stderr + found.stdout);
    return documentOf<ErrorDocument>(found).error;
  };

  before(async () => {
    await writePhantomDataset({ out: folder.path('scans'), cases: 3, shape: [16, 32, 32], seed: 5 });
    await writeFile(folder.path('experiment.yaml'), experiment(folder.path('scans')));
    cluster = startCli(['up', '--workers', '2', '--port', '0'], folder.options());
    await cluster.until(/lvnet is up/);
    run = (await json<Submitted>(cli('run', 'experiment.yaml', '--watch', '--json'))).run;
    fork = await json(cli('fork', 'proven', '--step', '3', '--json'));
    changed = await json(
      cli('fork', run, '--step', '3', '--set', 'loss.eta=[0]', '--set', 'name=other', '--json'),
    );
    const startFrom = (weights: string, name: string) =>
      json<Submitted>(
        cli(
          'run',
          'experiment.yaml',
          '--set',
          `network.weights=${weights}`,
          '--set',
          `name=${name}`,
          '--json',
        ),
      );
    further = await startFrom('proven@last', 'further');
    const network = ['baseWidth=2', 'levels=2', 'blocksPerStage=1', 'expansionRate=2', 'kernel=3'];
    const options = network.flatMap((option) => ['--set', option]);
    await json(cli('init', 'lv-net', '--seed', '5', '--out', 'drawn.safetensors', ...options, '--json'));
    drawn = await startFrom('drawn.safetensors', 'drawn');
    for (const id of [fork.run, changed.run, further.run, drawn.run])
      assert.equal((await cli('watch', id)).code, 0);
    cluster.child.kill('SIGINT');
    await cluster.ended;
  });
  after(async () => {
    cluster?.child.kill('SIGKILL');
    await cluster?.ended;
  });

  /** A store of its own to spoil. */
  async function copyOfStore(name: string): Promise<string> {
    await cp(folder.path('lvnet-data', 'store'), folder.path(name), { recursive: true });
    return folder.path(name, 'runs', run);
  }

  it('an audit holds with nothing but the store', async () => {
    const found = await json<Audit>(ofCopy('lvnet-data/store', 'audit', run, '--seed', '1', '--json'));
    assert.deepEqual([found.holds, found.problems], [true, []]);
    assert.deepEqual(found.steps, { first: 1, last: found.ledger.epochs.length * 2 });
    assert.ok(found.ledger.epochs.every(({ expected, once }) => expected === 8 && once === 8));
    assert.equal(found.recomputed.length, 3);
    assert.ok(found.recomputed.every(({ step, fromStep, holds }) => holds && fromStep < step));
    const again = await json<Audit>(ofCopy('lvnet-data/store', 'audit', run, '--seed', '1', '--json'));
    assert.deepEqual(again, found, 'the seed draws the steps');
  });

  it('an audit is a table and a verdict for people', async () => {
    const { code, stdout } = await ofCopy('lvnet-data/store', 'audit', run, '--steps', '0');
    assert.equal(code, 0);
    assert.match(stdout, /^chain +holds +steps 1 to 10; checkpoints: /m);
    assert.match(stdout, /^ledger +holds +5 epochs: 40 of 40 samples used exactly once$/m);
    assert.match(stdout, /^recomputed +- +no step$/m);
    assert.match(stdout, /^Verdict: all holds up to step 10, digest [0-9a-f]{64}\.$/m);
  });

  it('a fork without changes gives the very bytes of its parent after its step', async () => {
    assert.deepEqual(
      [fork.created, fork.name, fork.parent?.run, fork.parent?.step],
      [true, 'proven-at-3', run, 3],
    );
    const found = await json<Diff>(ofCopy('lvnet-data/store', 'diff', run, fork.run, '--json'));
    assert.deepEqual([found.same, found.compared, found.firstDivergingStep], [true, 10, null]);
    assert.deepEqual(
      found.experiment.map(({ path }) => path),
      ['name'],
    );
    const { stdout } = await ofCopy('lvnet-data/store', 'diff', run, fork.run);
    assert.match(stdout, /^the same 10 steps$/m);
    const audits = [run, fork.run].map((id) =>
      json<Audit>(ofCopy('lvnet-data/store', 'audit', id, '--steps', '9', '--json')),
    );
    const [parent, forked] = await Promise.all(audits);
    assert.equal(forked?.digest, parent?.digest);
    assert.deepEqual(forked?.steps, { first: 4, last: 10 });
    assert.ok(forked.chain.checkpoints.includes(3), 'what it started from stays');
    assert.equal(forked.recomputed.filter(({ holds }) => holds).length, 7);
  });

  it('a fork with a change parts at the first step after, in a tensor that is named', async () => {
    const found = await json<Diff>(ofCopy('lvnet-data/store', 'diff', fork.run, changed.run, '--json'));
    assert.deepEqual([found.same, found.firstDivergingStep, found.note], [false, 4, null]);
    assert.notEqual(found.tensor, null);
    const eta = found.experiment.find(({ path }) => path === 'loss.eta');
    assert.deepEqual(eta, { path: 'loss.eta', a: [0.5], b: [0], decides: true });
    const { stdout } = await ofCopy('lvnet-data/store', 'diff', run, changed.run);
    assert.match(
      stdout,
      /^first difference after step 4, first in \S+ \(recorded differently: weights, loss/m,
    );
    assert.match(stdout, /^ {2}loss\.eta +\[0\.5\] +\[0\]$/m);
    const forked = await json<Audit>(ofCopy('lvnet-data/store', 'audit', changed.run, '--json'));
    assert.equal(forked.holds, true);
  });

  it('a run with given weights starts from these bytes', async () => {
    const document = async (id: string) => {
      const text = await readFile(folder.path('lvnet-data', 'store', 'runs', id, 'run.json'), 'utf8');
      return JSON.parse(text) as RunDocument;
    };
    const [parent, child] = await Promise.all(
      [run, further.run].map((id) =>
        json<Audit>(ofCopy('lvnet-data/store', 'audit', id, '--steps', '9', '--json')),
      ),
    );
    assert.deepEqual([child?.holds, child?.steps], [true, { first: 1, last: 10 }]);
    assert.ok(child?.chain.checkpoints.includes(0), 'what it started from stays');
    assert.equal((await document(further.run)).weights?.from, `${run}@${String(parent?.steps.last)}`);
    const found = await json<Diff>(ofCopy('lvnet-data/store', 'diff', run, further.run, '--json'));
    assert.deepEqual([found.same, found.firstDivergingStep, found.note], [false, 1, null]);
    // The weights that seed 5 draws, given: the same run by another name.
    const same = await json<Diff>(ofCopy('lvnet-data/store', 'diff', run, drawn.run, '--json'));
    assert.deepEqual([same.same, same.compared], [true, 10]);
    assert.notEqual(drawn.run, run);
  });

  it('weights of another network, of no run and of no file are refused, and nothing is submitted', async () => {
    const runs = () => readdir(folder.path('lvnet-data', 'store', 'runs'));
    const before = await runs();
    const { cwd = '', env } = folder.options();
    const options = { cwd, env: { ...env, LVNET_STORE: `file://${folder.path('lvnet-data', 'store')}` } };
    const dryRun = (...set: string[]) => {
      const settings = set.flatMap((item) => ['--set', item]);
      return refused(2, runCli(['run', 'experiment.yaml', '--dry-run', '--json', ...settings], options));
    };
    const other = await dryRun('network.weights=proven@last', 'network.kernel=5');
    assert.equal(other.code, 'WEIGHTS_MISMATCH');
    assert.match(other.message, /has shape \[2, 1, 3, 3, 3\]; the network needs \[2, 1, 5, 5, 5\]/);
    assert.equal((await dryRun('network.weights=nobody@last')).code, 'RUN_NOT_FOUND');
    assert.equal((await dryRun('network.weights=none.safetensors')).code, 'FILE_NOT_FOUND');
    await mkdir(folder.path('given'));
    for (const name of ['given/weights.pt', 'weights.pt']) {
      await writeFile(folder.path(name), 'what a pickle holds');
      const file = await dryRun(`network.weights=${name}`);
      assert.equal(file.code, 'ARGUMENT_INVALID');
      assert.match(file.message, /weights\.pt\) is a file whose name does not end in \.safetensors/);
    }
    assert.deepEqual(await readdir(folder.path('given')), ['weights.pt']);
    const typo = await dryRun('network.weigths=proven');
    assert.match(typo.message, /network\.weigths: unknown field; did you mean weights\?/);
    assert.deepEqual(await runs(), before);
  });

  it('a fork that is there is not made again, and one without a coordinator says so', async () => {
    const env = { ...folder.options().env, LVNET_STORE: folder.path('lvnet-data', 'store') };
    const { cwd = '' } = folder.options();
    await rm(folder.path('.lvnet'), { recursive: true, force: true });
    const forkAt = (step: string, ...more: string[]) =>
      runCli(['fork', run, '--step', step, ...more], {
        cwd,
        env: { ...env, LVNET_STORE: `file://${env.LVNET_STORE}` },
      });
    const again = await json<Submitted>(forkAt('3', '--json'));
    assert.deepEqual([again.run, again.created], [fork.run, false]);
    const { code, stdout } = await forkAt('7');
    assert.equal(code, 0);
    assert.match(stdout, /^submitted: run [0-9a-f]{12} \(proven-at-7\), forked from run/);
    assert.match(stdout, /no coordinator is up: it starts as soon as one is/);
    const beyond = await refused(2, forkAt('99', '--json'));
    assert.match(beyond.message, /has no record of step 99; it has steps 1 to 10\./);
    const shape = await refused(2, forkAt('3', '--set', 'network.kernel=5', '--json'));
    assert.equal(shape.code, 'EXPERIMENT_CONTRADICTORY');
    assert.match(shape.message, /network\.kernel \(5\): cannot change/);
    const over = await refused(2, forkAt('10', '--json'));
    assert.match(over.message, /the run would be over after step 10/);
    const longer = await json<Submitted>(forkAt('10', '--set', 'training.epochs=9', '--json'));
    assert.equal(longer.created, true);
  });

  it('an altered record is found and named, exit code 1', async () => {
    const at = await copyOfStore('altered');
    for (const name of await readdir(join(at, 'steps'))) {
      const text = await readFile(join(at, 'steps', name), 'utf8');
      const lines = text.split('\n').map((line) => {
        if (!line.startsWith('{"step":4,')) return line;
        const record = JSON.parse(line) as { samples: string[] };
        return JSON.stringify({ ...record, samples: [record.samples[1], ...record.samples.slice(1)] });
      });
      await writeFile(join(at, 'steps', name), lines.join('\n'));
    }
    const result = await ofCopy('altered', 'audit', run, '--steps', '0', '--json');
    assert.equal(result.code, 1);
    const found = documentOf<Audit>(result);
    assert.deepEqual([found.holds, found.chain.holds, found.ledger.holds], [false, false, false]);
    assert.deepEqual(found.problems[0], {
      ...{ kind: 'chain', step: 4, message: 'its record does not give its digest: it was altered' },
    });
    assert.match(found.problems[1]?.message ?? '', /^epoch 2: never used: /);
    assert.match(found.problems[2]?.message ?? '', /^epoch 2: used more than once: /);
    const people = await ofCopy('altered', 'audit', run, '--steps', '0');
    assert.match(people.stdout, /^step 4: its record does not give its digest: it was altered$/m);
    assert.match(people.stdout, /^Verdict: 3 problems; this run is not what its experiment gives\.$/m);
  });

  it('an altered experiment is found: the run is named after it', async () => {
    const at = await copyOfStore('nicer');
    const document = await readFile(join(at, 'run.json'), 'utf8');
    await writeFile(join(at, 'run.json'), document.replace('"shards": 4', '"shards": 2'));
    const result = await ofCopy('nicer', 'audit', run, '--steps', '1', '--json');
    assert.equal(result.code, 1);
    const { problems } = documentOf<Audit>(result);
    assert.deepEqual(
      problems.map(({ kind }) => kind),
      ['document', 'recomputed'],
    );
    assert.match(problems[0]?.message ?? '', /^run\.json does not give the run its name/);
    assert.match(problems[1]?.message ?? '', /^done again: the record has another weights, digest/);
  });

  it('a run of another engine is not done again, but its books can be read', async () => {
    const at = await copyOfStore('foreign');
    const document = JSON.parse(await readFile(join(at, 'run.json'), 'utf8')) as RunDocument;
    document.engine = { ...document.engine, fingerprint: 'f'.repeat(64) };
    document.identity = identityOfRun(document);
    document.run = runIdOf(document.identity);
    const foreign = document.run;
    await cp(at, folder.path('foreign', 'runs', foreign), { recursive: true });
    await writeFile(folder.path('foreign', 'runs', foreign, 'run.json'), JSON.stringify(document));
    const error = await refused(2, ofCopy('foreign', 'audit', foreign, '--json'));
    assert.equal(error.code, 'WORKER_UNSUITABLE');
    assert.match(error.message, /engine of this machine gives other bytes/);
    assert.equal((await ofCopy('foreign', 'audit', foreign, '--steps', '0')).code, 0);
    const diff = await json<Diff>(ofCopy('foreign', 'diff', foreign, fork.run, '--json'));
    assert.deepEqual(
      diff.experiment.map(({ path }) => path),
      ['name', 'engine.fingerprint'],
    );
  });

  it('an altered line of the joined log is found and named, and so is a joined log that is gone', async () => {
    const file = join(await copyOfStore('joined'), 'steps.jsonl');
    const lines = (await readFile(file, 'utf8')).split('\n');
    const digest = /"digest":"[0-9a-f]+"/;
    const altered = lines.map((line, i) => (i === 3 ? line.replace(digest, '"digest":"0"') : line));
    await writeFile(file, altered.join('\n'));
    const result = await ofCopy('joined', 'audit', run, '--steps', '0');
    assert.equal(result.code, 1);
    assert.match(result.stdout, /^chain +broken /m);
    assert.match(
      result.stdout,
      /^step \d+: \S+steps\.jsonl line 4: has another digest than the step's record$/m,
    );
    await rm(file);
    const gone = await ofCopy('joined', 'audit', run, '--steps', '0');
    assert.equal(gone.code, 1);
    assert.match(gone.stdout, /^runs\/\w+\/steps\.jsonl is missing, the joined log of steps$/m);
  });

  it('a step log that is gone is no run without steps', async () => {
    const at = await copyOfStore('wiped');
    await rm(join(at, 'steps'), { recursive: true });
    const result = await ofCopy('wiped', 'audit', run, '--json');
    assert.equal(result.code, 1);
    const { problems, recomputed } = documentOf<Audit>(result);
    assert.equal(problems[0]?.message, 'up to step 10: have no records');
    assert.deepEqual(recomputed, []);
  });

  it('runs that are not there, and those without steps, are named', async () => {
    const nobody = await refused(2, ofCopy('lvnet-data/store', 'audit', 'nobody', '--json'));
    assert.equal(nobody.code, 'RUN_NOT_FOUND');
    const at = await copyOfStore('young');
    await rm(join(at, 'plan.json'));
    for (const args of [
      ['audit', run],
      ['diff', run, fork.run],
    ]) {
      const error = await refused(2, ofCopy('young', ...args, '--json'));
      assert.equal(error.code, 'STATE_NOT_ALLOWED');
      assert.match(error.message, /has recorded no steps yet/);
    }
  });
});
