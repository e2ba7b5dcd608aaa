import type { KernelSet } from '../kernel-set.js';

const at = (array: ArrayLike<number>, i: number): number => array[i] ?? Number.NaN;

/** Softmax of one row in float64, shifted by its largest logit. */
function rowSoftmax(logits: Float32Array, row: number, classes: number): { p: number[]; logSum: number } {
  const values = Array.from({ length: classes }, (_, k) => at(logits, row * classes + k));
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, value) => total + value, 0);
  return { p: powers.map((value) => value / sum), logSum: largest + Math.log(sum) };
}

export const loss: Pick<KernelSet, 'foreground' | 'softmaxCrossEntropy'> = {
  foreground(rows, classes, logits, p) {
    for (let row = 0; row < rows; row++) p[row] = 1 - at(rowSoftmax(logits, row, classes).p, 0);
  },
  softmaxCrossEntropy(rows, classes, logits, labels, dlogits) {
    let total = 0;
    for (let row = 0; row < rows; row++) {
      const { p, logSum } = rowSoftmax(logits, row, classes);
      const label = at(labels, row);
      if (!(label >= 0 && label < classes)) throw new TypeError('a label is outside the classes');
      total += logSum - at(logits, row * classes + label);
      if (dlogits === null) continue;
      for (let k = 0; k < classes; k++)
        dlogits[row * classes + k] = (at(p, k) - (k === label ? 1 : 0)) / rows;
    }
    return total / rows;
  },
};
