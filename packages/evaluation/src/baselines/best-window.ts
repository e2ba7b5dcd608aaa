import { checkGrids, diceOf, meanOver, type PreparedGrid } from './grid.js';
import { bestWindow, withinWindow } from './intensity-window.js';

/** Foreground = an intensity window, chosen on the training cases. Returns the mean Dice of the test cases. */
export function bestWindowBaseline(train: readonly PreparedGrid[], test: readonly PreparedGrid[]): number {
  checkGrids(train, test);
  const window = bestWindow(train);
  return meanOver(test, ({ image, label }) => diceOf(withinWindow(image, window), label));
}
