import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { checkSplit, loadSplit, makeSplit, resolveSplit, type SplitCase } from './split.js';
import { temporaryFolder } from './test-data.fixture.js';

const cases = Array.from({ length: 131 }, (_, i): SplitCase => ({ case: String(i), contentSha256: hash(i) }));

function hash(i: number): string {
  return i.toString(16).padStart(64, '0');
}

const sizesOf = (split: ReturnType<typeof makeSplit>) => [
  split.train.length,
  split.validation.length,
  split.test.length,
];

describe('makeSplit', () => {
  it('draws the counts asked for, each case once, by seed alone', () => {
    const split = makeSplit(cases, { train: 90, validation: 10, test: 31 }, 7);
    assert.deepEqual(sizesOf(split), [90, 10, 31]);
    const ids = [...split.train, ...split.validation, ...split.test].map((item) => item.case);
    assert.equal(new Set(ids).size, 131);
    assert.deepEqual(makeSplit(cases, { train: 90, validation: 10, test: 31 }, 7), split);
    assert.notDeepEqual(makeSplit(cases, { train: 90, validation: 10, test: 31 }, 8).train, split.train);
  });

  it('takes fractions of any number of cases', () => {
    assert.deepEqual(sizesOf(makeSplit(cases, { train: 0.7, validation: 0.1, test: 0.2 }, 1)), [92, 13, 26]);
    assert.deepEqual(
      sizesOf(makeSplit(cases.slice(0, 3), { train: 0.34, validation: 0.33, test: 0.33 }, 1)),
      [1, 1, 1],
    );
    assert.deepEqual(sizesOf(makeSplit(cases, { train: 0.5, validation: 0, test: 0 }, 1)), [66, 0, 0]);
  });

  const refused: readonly (readonly [string, [number, number, number]])[] = [
    ['more cases than there are', [100, 20, 31]],
    ['nothing to train on', [0, 10, 10]],
    ['fractions beyond 1', [0.9, 0.3, 0.2]],
    ['a negative size', [10, -1, 3]],
  ];
  for (const [what, [train, validation, test]] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => makeSplit(cases, { train, validation, test }, 1), { code: 'SPLIT_INVALID' });
    });
  }

  it('uses one case for everything only when told to', () => {
    const one = cases.slice(0, 1);
    assert.throws(() => makeSplit(one, { train: 1, validation: 1, test: 1 }, 1), { code: 'SPLIT_INVALID' });
    assert.deepEqual(
      sizesOf(makeSplit(one, { train: 1, validation: 1, test: 1 }, 1, { overfit: true })),
      [1, 1, 1],
    );
  });
});

describe('checkSplit', () => {
  const base = {
    version: 1 as const,
    seed: 1,
    train: cases.slice(0, 2),
    validation: cases.slice(2, 3),
    test: cases.slice(3, 4),
  };

  it('finds a case in two places, and one content under two names', () => {
    assert.throws(() => checkSplit({ ...base, test: cases.slice(0, 1) }), /Case 0 is in train and in test/);
    const copy = [{ case: 'copy', contentSha256: hash(1) }];
    assert.throws(
      () => checkSplit({ ...base, validation: copy }),
      /content of case copy is in train and in validation/,
    );
  });

  it('finds cases that are absent or changed', () => {
    assert.doesNotThrow(() => checkSplit(base, cases));
    assert.throws(() => checkSplit(base, cases.slice(1)), /Case 0 is not in the data set/);
    const changed = cases.map((item) => (item.case === '3' ? { ...item, contentSha256: hash(999) } : item));
    assert.throws(() => checkSplit(base, changed), /Case 3 has other voxels/);
  });

  it('warns of the patients of 3D-IRCADb', () => {
    assert.deepEqual(checkSplit(base).warnings, []);
    const [warning] = checkSplit({
      ...base,
      train: [27, 28, 44, 45, 46, 48, 49].flatMap((i) => cases.slice(i, i + 1)),
    }).warnings;
    assert.match(warning ?? '', / 28, 44, 46, 48 are patients of 3D-IRCADb/);
  });
});

describe('loadSplit', () => {
  const folder = temporaryFolder();
  it('reads what makeSplit made, and names what is wrong in a file of another kind', async () => {
    const split = makeSplit(cases.slice(0, 5), { train: 3, validation: 1, test: 1 }, 2);
    const path = folder.path('split.json');
    await writeFile(path, JSON.stringify(split));
    assert.deepEqual(await loadSplit(path), split);
    assert.deepEqual(await resolveSplit(cases, path, 99), split);
    await assert.rejects(resolveSplit(cases.slice(1, 3), path, 99), { code: 'SPLIT_INVALID' });
    assert.deepEqual(await resolveSplit(cases.slice(0, 5), { train: 3, validation: 1, test: 1 }, 2), split);
    await writeFile(path, JSON.stringify({ ...split, tests: [] }));
    await assert.rejects(loadSplit(path), { code: 'SPLIT_INVALID', message: /tests/ });
    await writeFile(path, '{');
    await assert.rejects(loadSplit(path), { code: 'SPLIT_INVALID' });
    await assert.rejects(loadSplit(folder.path('absent.json')), { code: 'FILE_NOT_FOUND' });
  });
});
