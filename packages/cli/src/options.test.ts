import assert from 'node:assert/strict';
import { InvalidArgumentError } from 'commander';
import { parseCount, parseSeed, parseShare, parseSizes, parseWindow } from './options.js';

const cases: [(text: string) => unknown, [string, unknown][], string[]][] = [
  [
    parseCount,
    [
      ['1', 1],
      ['131', 131],
    ],
    ['0', '-1', '1.5', 'x', '', '1e3'],
  ],
  [
    parseSeed,
    [
      ['0', 0],
      ['7', 7],
    ],
    ['-1', 'x', '', '99999999999999999999'],
  ],
  [
    parseSizes,
    [
      ['16,256,256', [16, 256, 256]],
      ['16x8x4', [16, 8, 4]],
      ['1, 2, 3', [1, 2, 3]],
    ],
    ['16,256', '1,2,3,4', '1,2,0', 'a,b,c', '1,2,-3', ''],
  ],
  [
    parseWindow,
    [
      ['-200,200', [-200, 200]],
      ['0,0.5', [0, 0.5]],
    ],
    ['200,-200', '1,1', '1', ',5', '1,2,3', 'a,b'],
  ],
  [
    parseShare,
    [
      ['90', 90],
      ['0.7', 0.7],
      ['0', 0],
    ],
    ['-1', '1.5', 'x', '', 'NaN'],
  ],
];

describe('option values', () => {
  for (const [parse, good, bad] of cases) {
    it(`${parse.name} takes what is sound and refuses the rest`, () => {
      for (const [text, value] of good) assert.deepEqual(parse(text), value, text);
      for (const text of bad) assert.throws(() => parse(text), InvalidArgumentError, text);
    });
  }
});
