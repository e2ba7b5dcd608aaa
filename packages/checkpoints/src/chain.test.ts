import assert from 'node:assert/strict';
import { checkChain, type RecordedRun } from './chain.js';
import { nextDigest } from './digest.js';
import { weightsName, type Manifest } from './manifest.js';
import type { StepRecord } from './step-records.js';

const hash = (digit: number | string): string => String(digit).padStart(64, '0');

/** Steps `from + 1` to `to` with their chain. */
function recordsOf(from: number, to: number, startDigest: string): StepRecord[] {
  let digest = startDigest;
  return Array.from({ length: to - from }, (_, i) => {
    const step = from + 1 + i;
    const [samples, weights] = [[`a:${String(step)}`, `b:${String(step)}`], hash(step)];
    digest = nextDigest(digest, step, samples, weights);
    const result = { step, epoch: 1, loss: 1 / step, heads: { main: 1 / step }, lr: 0.1 };
    return { ...result, digest, weights, samples, seconds: { data: step } };
  });
}

function manifestOf(records: readonly StepRecord[], step: number): Manifest {
  const at = records.find((record) => record.step === step);
  return {
    ...{ version: 1, run: 'r', step, epoch: 1, createdAt: 'now', sampler: { epoch: 1, position: step } },
    digest: at?.digest ?? '',
    files: [{ name: weightsName, bytes: 1, sha256: at?.weights ?? '' }],
    lossHistory: records.filter((record) => record.step <= step).map(({ loss }) => loss),
    ...{ network: null, data: null, engineFingerprint: null, schedule: null },
  };
}

const records = recordsOf(0, 6, 'start');
const sound: RecordedRun = {
  start: { step: 0, digest: 'start', weights: null },
  records,
  manifests: [3, 6].map((step) => manifestOf(records, step)),
  finished: { step: 6, digest: records[5]?.digest ?? '' },
};

/** The run with one record changed, or taken away. */
function altered(step: number, change: Partial<StepRecord> | null): RecordedRun {
  const changed = records.flatMap((record) =>
    record.step !== step ? [record] : change === null ? [] : [{ ...record, ...change }],
  );
  return { ...sound, records: changed };
}

const problemsOf = (run: RecordedRun): string[] =>
  checkChain(run).problems.map(({ step, message }) => `${String(step)}: ${message}`);

describe('the chain of digests', () => {
  it('holds for what a run wrote, in any order and with steps done twice', () => {
    const again = records.slice(2, 4).map((record) => ({ ...record, seconds: { data: 99 } }));
    const run = { ...sound, records: [...again, ...records].reverse() };
    assert.deepEqual(checkChain(run), { records, lastStep: 6, problems: [] });
  });

  const wrong: [string, RecordedRun, string[]][] = [
    ['a record is gone', altered(4, null), ['4: has no record']],
    [
      'records at the end are gone',
      { ...sound, records: records.slice(0, 4) },
      ['5: up to step 6: have no records'],
    ],
    [
      'samples were altered',
      altered(2, { samples: ['a:2'] }),
      ['2: its record does not give its digest: it was altered'],
    ],
    [
      'a digest was altered',
      altered(4, { digest: hash('f') }),
      ['4: its record does not give its digest: it was altered'],
    ],
    [
      'weights were altered',
      altered(5, { weights: hash('f') }),
      ['5: its record does not give its digest: it was altered'],
    ],
    [
      'the loss was altered',
      altered(2, { loss: 7 }),
      [
        '2: its record has another loss than checkpoint 3 remembers',
        '2: its record has another loss than checkpoint 6 remembers',
      ],
    ],
    [
      'weights are not recorded',
      altered(2, { weights: undefined }),
      ['2: its record does not say which weights it led to'],
    ],
    [
      'a step was done twice, differently',
      { ...sound, records: [...records, { ...(records[1] as StepRecord), loss: 9 }] },
      ['2: was recorded twice with different results'],
    ],
    [
      'a checkpoint holds other weights',
      {
        ...sound,
        manifests: [
          { ...manifestOf(records, 3), files: [{ name: weightsName, bytes: 1, sha256: hash('f') }] },
        ],
      },
      ['3: its checkpoint holds other weights than the step led to'],
    ],
    [
      'a checkpoint has another digest',
      { ...sound, manifests: [{ ...manifestOf(records, 3), digest: hash('f') }] },
      ['3: its checkpoint has another digest'],
    ],
    [
      'the end is another one',
      { ...sound, finished: { step: 6, digest: hash('f') } },
      ['6: the run finished with another digest'],
    ],
  ];
  for (const [what, run, expected] of wrong) {
    it(`names the step where ${what}`, () => {
      assert.deepEqual(problemsOf(run), expected);
    });
  }

  it('is taken up again by a checkpoint behind a gap', () => {
    const run = altered(3, null);
    const changed = run.records.map((item) => (item.step === 4 ? { ...item, samples: [] } : item));
    assert.deepEqual(problemsOf({ ...run, records: changed }), [
      '3: has no record',
      '4: its record does not give its digest: it was altered',
    ]);
  });

  it('of a fork goes on from its parent', () => {
    const forked = recordsOf(4, 6, 'parent');
    const start = { step: 4, digest: 'parent', weights: hash(4) };
    const first = { ...manifestOf(forked, 4), digest: 'parent', files: [] };
    const file = { name: weightsName, bytes: 1, sha256: hash(4) };
    const run = { start, records: forked, manifests: [{ ...first, files: [file] }], finished: null };
    assert.deepEqual(problemsOf(run), []);
    assert.deepEqual(problemsOf({ ...run, start: { ...start, digest: 'another' } }), [
      '4: its checkpoint has another digest',
      '5: its record does not give its digest: it was altered',
    ]);
  });

  it('of a run without steps is empty', () => {
    const run = { ...sound, records: [], manifests: [], finished: null };
    assert.deepEqual(checkChain(run), { records: [], lastStep: 0, problems: [] });
  });
});
