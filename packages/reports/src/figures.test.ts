import assert from 'node:assert/strict';
import fc from 'fast-check';
import { spread, summariseSplits } from './case-statistics.js';
import { casesCsv, encodeCsv } from './csv.js';
import { condense, isWorthLog, movingMean, type Point } from './curve.js';
import { dataLines, duration, fileNameOf } from './format.js';
import { html } from './html.js';
import { caseOf } from './run-report.fixture.js';

describe('spread', () => {
  it('counts what is not defined and leaves it out', () => {
    assert.deepEqual(spread([1, null, 3, 8]), { mean: 4, sd: Math.sqrt(13), median: 3, undefined: 1 });
    assert.deepEqual(spread([1, 3, 5, 7]).median, 4);
  });
  it('has no deviation of one value and nothing of none', () => {
    assert.deepEqual(spread([2]), { mean: 2, sd: null, median: 2, undefined: 0 });
    assert.deepEqual(spread([null]), { mean: null, sd: null, median: null, undefined: 1 });
  });
});

describe('summariseSplits', () => {
  it('puts test first and marks the lowest Dice, an undefined one before all', () => {
    const cases = [
      caseOf('t', 'train', 1),
      caseOf('a', 'test', 0.9),
      caseOf('b', 'test', 0.2),
      caseOf('v', 'validation', 1),
    ];
    const found = summariseSplits(cases).map(({ split, worst }) => [split, worst]);
    assert.deepEqual(found, [
      ['test', 'b'],
      ['validation', null],
      ['train', null],
    ]);
    assert.equal(summariseSplits([...cases, caseOf('n', 'test', null)])[0]?.worst, 'n');
  });
});

describe('csv', () => {
  it('quotes what RFC 4180 wants quoted and ends lines in CRLF', () => {
    assert.equal(
      encodeCsv([
        ['a,b', 'say "x"', 'l\n2'],
        [1.5, null, 'plain'],
      ]),
      '"a,b","say ""x""","l\n2"\r\n1.5,,plain\r\n',
    );
  });
  it('can be read back', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.string(), { minLength: 1 }), { minLength: 1 }), (rows) => {
        assert.deepEqual(parseCsv(encodeCsv(rows)), rows);
      }),
    );
  });
  it('has a line per case with full precision', () => {
    const [head, line] = casesCsv([caseOf('a', 'test', 0.1234567890123, null)]).split('\r\n');
    assert.equal(head, 'case,split,dice,voe,rvd,rvdAbs,assdMm,rmsdMm,mssdMm,hd95Mm,volumeMl');
    assert.equal(line, 'a,test,0.1234567890123,0.2,-0.1,0.1,,,,,1500');
  });
});

describe('curve', () => {
  const line = Array.from({ length: 1000 }, (_, x): Point => [x, 2 * x]);
  it('keeps short curves and the last point of long ones', () => {
    assert.deepEqual(condense(line.slice(0, 9), 9), line.slice(0, 9));
    const short = condense(line, 100);
    assert.ok(short.length <= 101 && short.length > 50);
    assert.deepEqual(short.at(-1), [999, 1998]);
    assert.ok(short.every(([x, y]) => y === 2 * x));
  });
  it('leaves the inner part of a straight line where it is when smoothing', () => {
    assert.deepEqual(movingMean(line).slice(20, 980), line.slice(20, 980));
  });
  it('wants a log axis only for positive values over a wide range', () => {
    assert.deepEqual([[1, 10], [1, 100], [0, 100], [-1, 100], []].map(isWorthLog), [
      false,
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('format', () => {
  it('says durations in two units', () => {
    assert.deepEqual([900, 65_000, 3_723_000].map(duration), ['1 s', '1:05 min', '1:02 h']);
  });
  it('makes file names without dots and slashes', () => {
    assert.equal(fileNameOf('../../a b.nii'), '-a-b-nii');
  });
  it('writes nested data as lines', () => {
    assert.deepEqual(dataLines({ a: { b: [1, [2]], c: {} }, d: null, e: 'x', f: undefined }), [
      'a:',
      '  b: [1, [2]]',
      '  c: {}',
      'd: null',
      'e: x',
    ]);
  });
});

describe('html', () => {
  it('escapes strings and keeps markup, joins lists, drops nothing-values', () => {
    assert.equal(
      html`<p title="${'"'}">${['<', html`<b>${1}</b>`]}${null}</p>`.markup,
      '<p title="&#34;">&#60;\n<b>1</b></p>',
    );
  });
});

function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    row.push(quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'));
    if (end === '\r\n') row = (rows.push(row), []);
  }
  return rows;
}
