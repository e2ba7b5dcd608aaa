import assert from 'node:assert/strict';
import { caseOf, maskNames } from './pair-files.js';

describe('names of label maps', () => {
  it('tell the case', () => {
    const names: [string, string][] = [
      ['segmentation-28.nii', '28'],
      ['segmentation-028.nii.gz', '28'],
      ['test-segmentation-3.nii', 'test-3'],
      ['liver_7.nii.gz', '7'],
      ['volume-9.nii', '9'],
      ['patient a.nii.gz', 'patient a'],
    ];
    for (const [name, id] of names) assert.equal(caseOf(name), id, name);
  });

  it('leave scans out where segmentations lie beside them', () => {
    const names = ['volume-1.nii', 'segmentation-1.nii', 'notes.txt', 'test-volume-2.nii.gz'];
    assert.deepEqual(maskNames(names), ['segmentation-1.nii']);
    assert.deepEqual(maskNames(['volume-1.nii', 'x.nii.gz']), ['volume-1.nii', 'x.nii.gz']);
  });
});
