import fc from 'fast-check';
import assert from 'node:assert/strict';
import { sliceResampler } from './resample.js';

const resample = (values: number[][], rows: number, columns: number): number[] => {
  const from = { rows: values.length, columns: values[0]?.length ?? 0 };
  return [...sliceResampler(from, { rows, columns })(Float64Array.from(values.flat()))];
};

describe('sliceResampler', () => {
  const table: readonly (readonly [string, number[][], [number, number], number[]])[] = [
    [
      'leaves equal sizes alone',
      [
        [1, 2],
        [3, 4],
      ],
      [2, 2],
      [1, 2, 3, 4],
    ],
    [
      'averages whole blocks',
      [
        [1, 3, 5, 7],
        [1, 3, 5, 7],
      ],
      [1, 2],
      [2, 6],
    ],
    ['weighs pixels that are partly covered', [[3, 6, 9]], [1, 2], [4, 8]],
    ['interpolates between pixel centres and holds the edge', [[0, 4]], [1, 4], [0, 1, 3, 4]],
    ['treats both axes alike', [[0], [4]], [4, 1], [0, 1, 3, 4]],
    ['shrinks one axis and grows the other', [[0, 2, 4, 6]], [2, 2], [1, 5, 1, 5]],
  ];
  for (const [what, values, [rows, columns], expected] of table) {
    it(what, () => {
      assert.deepEqual(resample(values, rows, columns), expected);
    });
  }

  it('keeps a constant constant and stays within the range of its input', () => {
    const size = fc.integer({ min: 1, max: 33 });
    fc.assert(
      fc.property(size, size, size, size, (rows, columns, toRows, toColumns) => {
        const values = Array.from({ length: rows }, (_, j) =>
          Array.from({ length: columns }, (__, i) => ((i * 7 + j * 13) % 5) - 2),
        );
        const result = resample(values, toRows, toColumns);
        assert.equal(result.length, toRows * toColumns);
        assert.ok(result.every((value) => value > -2 - 1e-12 && value < 2 + 1e-12));
        const flat = resample(
          values.map((row) => row.map(() => 3)),
          toRows,
          toColumns,
        );
        assert.ok(flat.every((value) => Math.abs(value - 3) < 1e-12));
      }),
    );
  });

  it('keeps the mean when it shrinks', () => {
    const values = Array.from({ length: 10 }, (_, j) =>
      Array.from({ length: 14 }, (__, i) => (i * i + 3 * j) % 11),
    );
    const mean = (numbers: number[]) => numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
    assert.ok(Math.abs(mean(resample(values, 3, 5)) - mean(values.flat())) < 1e-12);
  });
});
