import { invariant } from '@lvnet/core';

/** [depth, rows, columns], columns fastest. */
export type GridShape = readonly [depth: number, rows: number, columns: number];

/** A case as a network would see it. */
export interface PreparedGrid {
  image: Float32Array;
  /** Not 0 = foreground. */
  label: Uint8Array;
  shape: GridShape;
}

/** Both lists hold cases, and every array has its shape's size. */
export function checkGrids(train: readonly PreparedGrid[], test: readonly PreparedGrid[]): void {
  invariant(train.length > 0 && test.length > 0, 'a baseline has cases to learn from and to be tested on');
  for (const { image, label, shape } of [...train, ...test]) {
    const size = shape[0] * shape[1] * shape[2];
    invariant(image.length === size && label.length === size, 'image and label have the shape of their grid');
  }
}

/** 2I / (|P| + |R|); 0 when a mask is empty. */
export function diceOf(prediction: Uint8Array, label: Uint8Array): number {
  let [both, sum] = [0, 0];
  for (let i = 0; i < label.length; i++) {
    const [p, r] = [prediction[i] === 0 ? 0 : 1, label[i] === 0 ? 0 : 1];
    both += p & r;
    sum += p + r;
  }
  return sum === 0 ? 0 : (2 * both) / sum;
}

export function meanOver<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0) / items.length;
}
