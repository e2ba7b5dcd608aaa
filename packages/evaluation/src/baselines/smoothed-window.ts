import { largestComponent } from '../components.js';
import { checkGrids, diceOf, meanOver, type GridShape, type PreparedGrid } from './grid.js';
import { bestWindow, withinWindow, type IntensityWindow } from './intensity-window.js';
import { smoothed } from './smoothing.js';

const radii = [1, 2, 3];

/**
 * Smooth, take an intensity window, keep the largest component. Radius and window are chosen on the training
 * cases: per radius the best window, then the radius whose final masks have the highest mean Dice.
 * Returns the mean Dice of the test cases.
 */
export function smoothedWindowBaseline(
  train: readonly PreparedGrid[],
  test: readonly PreparedGrid[],
): number {
  checkGrids(train, test);
  const candidates = radii.map((radius) => learn(train, radius));
  const best = candidates.reduce((a, b) => (b.dice > a.dice ? b : a));
  return meanOver(test, (grid) => diceOf(segment(grid, best), grid.label));
}

interface Method {
  radius: number;
  window: IntensityWindow;
}

function learn(train: readonly PreparedGrid[], radius: number): Method & { dice: number } {
  const cases = train.map((grid) => ({ ...grid, image: smoothed(grid.image, grid.shape, radius) }));
  const window = bestWindow(cases);
  const dice = meanOver(cases, ({ image, label, shape }) =>
    diceOf(largestWithin(image, shape, window), label),
  );
  return { radius, window, dice };
}

const segment = ({ image, shape }: PreparedGrid, { radius, window }: Method): Uint8Array =>
  largestWithin(smoothed(image, shape, radius), shape, window);

function largestWithin(image: Float32Array, [depth, rows, columns]: GridShape, window: IntensityWindow) {
  return largestComponent(withinWindow(image, window), [columns, rows, depth]);
}
