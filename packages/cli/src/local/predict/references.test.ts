import assert from 'node:assert/strict';
import { parseReference } from './checkpoint-reference.js';
import { labelMapName } from './scans.js';

describe('a checkpoint’s reference', () => {
  it('is a run and which of its checkpoints', () => {
    assert.deepEqual(parseReference('liver'), { run: 'liver', which: 'either' });
    assert.deepEqual(parseReference('liver@best'), { run: 'liver', which: 'best' });
    assert.deepEqual(parseReference('ab12@last'), { run: 'ab12', which: 'last' });
    assert.deepEqual(parseReference('ab12@0'), { run: 'ab12', which: 0 });
  });

  for (const bad of ['', '@best', 'liver@', 'liver@worst', 'liver@1.5', 'liver@best@last']) {
    it(`is not ${JSON.stringify(bad)}`, () => {
      assert.throws(() => parseReference(bad), { code: 'ARGUMENT_INVALID' });
    });
  }
});

describe('the name of a label map', () => {
  it('is what LiTS calls it, or the scan’s own', () => {
    const names: [string, string][] = [
      ['volume-28.nii', 'segmentation-28.nii'],
      ['volume-28.nii.gz', 'segmentation-28.nii.gz'],
      ['test-volume-3.nii', 'test-segmentation-3.nii'],
      ['liver_7.nii.gz', 'liver_7.nii.gz'],
      ['my-volume-1.nii', 'my-volume-1.nii'],
      ['scan', 'scan.nii.gz'],
    ];
    for (const [file, expected] of names) assert.equal(labelMapName(file), expected);
  });
});
