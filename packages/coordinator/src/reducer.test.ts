import assert from 'node:assert/strict';
import { parseExperiment, type CaseResult, type PreparedRecord, type RunDocument } from '@lvnet/experiments';
import type { WorkerEntry } from '@lvnet/queue';
import {
  emptyCluster,
  noFacts,
  type ClusterEvent,
  type ClusterState,
  type Command,
  type RunFacts,
} from './cluster-state.js';
import { advance } from './reducer.js';

const engine = { kind: 'native', fingerprint: 'f'.repeat(64) };

function runDocument(
  run: string,
  over: { sweep?: RunDocument['sweep']; createdAt?: string; patience?: number } = {},
): RunDocument {
  const stop = over.patience === undefined ? {} : { stop: { metric: 'dice', patience: over.patience } };
  const experiment = parseExperiment(
    JSON.stringify({
      name: run,
      data: { root: '/data', patch: [16, 32, 32], split: { train: 2, validation: 1, test: 1 } },
      network: { name: 'lv-net', levels: 2 },
      loss: { eta: [0.5] },
      training: { batch: 2, shards: 2, epochs: 2, ...stop },
      workers: { min: 1, max: 3 },
    }),
  );
  const item = (id: string) => ({ case: id, contentSha256: id });
  return {
    version: 1,
    run,
    name: run,
    identity: run,
    again: 0,
    parent: null,
    sweep: over.sweep ?? null,
    createdAt: over.createdAt ?? '2026-01-01T00:00:00.000Z',
    engine,
    experiment,
    split: { train: [item('1'), item('2')], validation: [item('3')], test: [item('4')] },
    notes: [],
  };
}

const prepared = (id: string): PreparedRecord => ({
  case: id,
  prepared: id,
  sha256: id,
  depth: 32,
  rows: 32,
  columns: 32,
  liver: [4, 20],
  warnings: [],
});

const result = (id: string, split: 'validation' | 'test', step: number, dice: number): CaseResult => ({
  case: id,
  split,
  step,
  metrics: { dice, voe: 0, rvd: 0, rvdAbs: 0, assdMm: 0, rmsdMm: 0, mssdMm: 0, hd95Mm: 0 },
  volumeMl: 1,
  seconds: 1,
});

const worker = (name: string): WorkerEntry => ({
  worker: name,
  host: 'h',
  pid: 1,
  engine: 'native',
  fingerprint: engine.fingerprint,
  threads: 1,
  startedAt: '',
  metricsPort: null,
  activity: 'idle',
  run: null,
});

function play(events: readonly ClusterEvent[], from: ClusterState = emptyCluster) {
  let state = from;
  const commands: Command[] = [];
  for (const event of events) {
    const outcome = advance(state, event);
    state = outcome.state;
    commands.push(...outcome.commands);
  }
  return { state, commands };
}

const found = (document: RunDocument): ClusterEvent => ({
  kind: 'runFound',
  document,
  state: 'queued',
  reason: null,
});
const observed = (run: string, facts: Partial<RunFacts>): ClusterEvent => ({
  kind: 'runObserved',
  run,
  facts: { ...noFacts, ...facts },
});
const tick: ClusterEvent = { kind: 'tick' };
const jobIds = (commands: readonly Command[]) =>
  commands.flatMap((command) => (command.kind === 'ensureJob' ? [command.jobId] : []));
const allPrepared = ['1', '2', '3', '4'].map(prepared);

describe('coordinator reducer', () => {
  it('asks for every case to be prepared, once per case', () => {
    const { state, commands } = play([found(runDocument('a')), tick, tick]);
    assert.equal(state.runs.get('a')?.state, 'preparing');
    assert.deepEqual(jobIds(commands), ['prepare-a-1', 'prepare-a-2', 'prepare-a-3', 'prepare-a-4']);
  });

  it('writes the plan and starts training when all cases are prepared', () => {
    const { state, commands } = play([
      found(runDocument('a')),
      tick,
      observed('a', { prepared: allPrepared }),
      tick,
    ]);
    assert.equal(state.runs.get('a')?.state, 'running');
    const plan = commands.find((command) => command.kind === 'put');
    assert.ok(plan?.kind === 'put');
    assert.equal(plan.key, 'runs/a/plan.json');
    // two cases of two blocks each in batches of two
    assert.deepEqual(
      [
        (plan.value as { stepsPerEpoch: number }).stepsPerEpoch,
        (plan.value as { stepsTotal: number }).stepsTotal,
      ],
      [2, 4],
    );
  });

  it('offers no more train jobs than shards', () => {
    const { commands } = running(runDocument('a'));
    assert.deepEqual(
      jobIds(commands).filter((id) => id.startsWith('train')),
      ['train-a-0', 'train-a-1'],
    );
  });

  it('says of a run that begins how many workers stand by, and why', () => {
    const told = (names: readonly string[]) => {
      const ready = observed('a', { prepared: allPrepared });
      const workers = { kind: 'workersSeen', workers: names.map(worker) } as const;
      const { commands } = play([found(runDocument('a')), workers, tick, ready, tick]);
      return commands.flatMap((command) =>
        command.kind === 'record' && command.state === 'running' ? [command.text] : [],
      );
    };
    assert.match(told(['w1', 'w2'])[0] ?? '', /^\d+ steps, \d+ per epoch$/);
    assert.match(
      told(['w1', 'w2', 'w3', 'w4'])[0] ?? '',
      /; 2 of 4 workers take part, the others stand by: 2 shards can use no more$/,
    );
  });

  it('lets a second run wait while the first one needs all workers, and start when one is spare', () => {
    const first = running(runDocument('a')).state;
    const second = [
      found(runDocument('b', { createdAt: '2026-01-02T00:00:00.000Z' })),
      tick,
      observed('b', { prepared: allPrepared }),
    ];
    const crowded = play(
      [...second, { kind: 'workersSeen', workers: [worker('1'), worker('2')] }, tick],
      first,
    );
    assert.equal(crowded.state.runs.get('b')?.state, 'preparing');
    const roomy = play([{ kind: 'workersSeen', workers: ['1', '2', '3'].map(worker) }, tick], crowded.state);
    assert.equal(roomy.state.runs.get('b')?.state, 'running');
  });

  it('validates each epoch end and writes verdicts in order', () => {
    const { state } = running(runDocument('a'));
    const facts: Partial<RunFacts> = {
      prepared: allPrepared,
      planned: true,
      epochEnds: [
        { epoch: 1, step: 2 },
        { epoch: 2, step: 4 },
      ],
    };
    const asked = play([observed('a', facts), tick], state);
    assert.ok(jobIds(asked.commands).includes('validation-a-2-3'));
    assert.ok(jobIds(asked.commands).includes('validation-a-4-3'));
    const late = play(
      [observed('a', { ...facts, results: [result('3', 'validation', 4, 0.9)] }), tick],
      state,
    );
    assert.equal(verdictsOf(late.commands).length, 0, 'epoch 2 is not judged before epoch 1');
    const both = [result('3', 'validation', 2, 0.8), result('3', 'validation', 4, 0.9)];
    const judged = play([observed('a', { ...facts, results: both }), tick], state);
    assert.deepEqual(
      verdictsOf(judged.commands).map(({ epoch, dice, stop }) => ({ epoch, dice, stop })),
      [
        { epoch: 1, dice: 0.8, stop: false },
        { epoch: 2, dice: 0.9, stop: false },
      ],
    );
  });

  it('judges a fork from the epoch on that it starts from or in', () => {
    const forked = (step: number) => ({ ...runDocument('a'), parent: { run: 'p', step, digest: 'd' } });
    const results = [result('3', 'validation', 4, 0.8), result('3', 'validation', 6, 0.9)];
    const ends = (...epochs: number[]) => epochs.map((epoch) => ({ epoch, step: 2 * epoch }));
    const judged = (step: number, epochEnds: RunFacts['epochEnds']) => {
      const facts = { prepared: allPrepared, planned: true, epochEnds, results };
      const { commands } = play([observed('a', facts), tick], running(forked(step)).state);
      return verdictsOf(commands).map(({ epoch }) => epoch);
    };
    assert.deepEqual(judged(4, ends(2, 3)), [2, 3], 'forked at the end of epoch 2');
    assert.deepEqual(judged(3, ends(2, 3)), [2, 3], 'forked within epoch 2');
    assert.deepEqual(judged(5, ends(3)), [3], 'forked within epoch 3');
    assert.deepEqual(judged(4, ends(3)), [], 'the verdict on epoch 2 comes first');
  });

  it('stops early when patience runs out', () => {
    const { state } = running(runDocument('a', { patience: 1 }));
    const facts: Partial<RunFacts> = {
      prepared: allPrepared,
      planned: true,
      epochEnds: [
        { epoch: 1, step: 2 },
        { epoch: 2, step: 4 },
      ],
      results: [result('3', 'validation', 2, 0.8), result('3', 'validation', 4, 0.7)],
    };
    const verdicts = verdictsOf(play([observed('a', facts), tick], state).commands);
    assert.deepEqual(
      verdicts.map((verdict) => verdict.stop),
      [false, true],
    );
    assert.equal(verdicts[1]?.best?.step, 2);
  });

  it('tests the best checkpoint, then reports, then is done', () => {
    const { state } = running(runDocument('a'));
    const facts: Partial<RunFacts> = {
      prepared: allPrepared,
      planned: true,
      epochEnds: [{ epoch: 1, step: 2 }],
      results: [result('3', 'validation', 2, 0.8)],
      verdicts: [{ epoch: 1, step: 2, dice: 0.8, best: { epoch: 1, step: 2, dice: 0.8 }, stop: false }],
      finished: { run: 'a', step: 4, epoch: 2, digest: 'd', reason: 'epochs' },
    };
    const testing = play([observed('a', facts), tick, tick], state);
    assert.equal(testing.state.runs.get('a')?.state, 'validating');
    assert.ok(jobIds(testing.commands).includes('test-a-2-4'));
    const tested = { ...facts, results: [result('3', 'validation', 2, 0.8), result('4', 'test', 2, 0.7)] };
    const reporting = play([observed('a', tested), tick], testing.state);
    assert.ok(jobIds(reporting.commands).includes('report-a'));
    const done = play([observed('a', { ...tested, reported: true }), tick], reporting.state);
    assert.equal(done.state.runs.get('a')?.state, 'done');
  });

  it('obeys requests only where the state machine allows them', () => {
    const { state } = running(runDocument('a'));
    const paused = play([{ kind: 'requested', request: { kind: 'pause', run: 'a' } }], state);
    assert.equal(paused.state.runs.get('a')?.state, 'paused');
    assert.ok(paused.commands.some((command) => command.kind === 'wantRun' && command.entry.slots === 0));
    const cancelled = play([{ kind: 'requested', request: { kind: 'cancel', run: 'a' } }], paused.state);
    const resumed = play([{ kind: 'requested', request: { kind: 'resume', run: 'a' } }], cancelled.state);
    assert.equal(resumed.state.runs.get('a')?.state, 'cancelled');
  });

  it('tells again whoever is seen training a run that stands still', () => {
    const { state } = running(runDocument('a'));
    for (const kind of ['pause', 'cancel'] as const) {
      const stopped = play([{ kind: 'requested', request: { kind, run: 'a' } }], state).state;
      const seen = (run: string | null): ClusterEvent => ({
        kind: 'workersSeen',
        workers: [{ ...worker('1'), run }],
      });
      const wishes = (commands: readonly Command[]) =>
        commands.flatMap((command) => (command.kind === 'wantRun' ? [command.entry.slots] : []));
      assert.deepEqual(wishes(play([seen('a'), tick], stopped).commands), [0]);
      assert.deepEqual(wishes(play([seen(null), tick], stopped).commands), []);
    }
  });

  it('submits the trials of a sweep, `parallel` at a time, and reports at the end', () => {
    const trials = ['x', 'y', 'z'].map((run, trial) => ({
      trial,
      values: { 'network.expansionRate': trial },
      run,
      document: runDocument(run, { sweep: { sweep: 's', trial } }),
    }));
    const document = {
      version: 1 as const,
      sweep: 's',
      name: 's',
      createdAt: '',
      parallel: 2,
      objective: { metric: 'dice', direction: 'maximize' as const },
      trials,
    };
    const first = play([{ kind: 'sweepFound', document, reported: false }, tick]);
    assert.deepEqual(submitted(first.commands), [0, 1]);
    const over = (run: string): ClusterEvent => ({
      kind: 'runFound',
      document: runDocument(run),
      state: 'done',
      reason: null,
    });
    const next = play([over('x'), over('y'), tick], first.state);
    assert.deepEqual(submitted(next.commands), [2]);
    const last = play([over('z'), tick], next.state);
    assert.ok(last.commands.some((command) => command.kind === 'reportSweep'));
  });

  it('is level-triggered: repeating every event changes nothing more', () => {
    const events = [found(runDocument('a')), tick, observed('a', { prepared: allPrepared }), tick];
    const once = play(events).state;
    const twice = play(events.flatMap((event) => [event, event])).state;
    assert.deepEqual(twice, once);
  });
});

function running(document: RunDocument) {
  return play([found(document), tick, observed(document.run, { prepared: allPrepared }), tick, tick]);
}

function verdictsOf(commands: readonly Command[]) {
  return commands.flatMap((command) =>
    command.kind === 'put' && command.key.endsWith('verdict.json')
      ? [
          command.value as {
            epoch: number;
            dice: number | null;
            stop: boolean;
            best: { step: number } | null;
          },
        ]
      : [],
  );
}

const submitted = (commands: readonly Command[]) =>
  commands.flatMap((command) => (command.kind === 'submitTrial' ? [command.trial] : []));
