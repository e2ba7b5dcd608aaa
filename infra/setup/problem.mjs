/** What keeps a step from being done, in words for the person at the terminal. */
export class Problem extends Error {
  /**
   * @param {string} message what happened, one line
   * @param {string} hint what to install or do
   * @param {string} [output] last lines of the program that failed
   */
  constructor(message, hint, output = '') {
    super(message);
    this.hint = hint;
    this.output = output;
  }
}

/** @param {unknown} error */
export const wordsOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * The end of a program's output, where its reason usually stands.
 *
 * @param {string} text
 * @param {number} [lines]
 */
export const lastLines = (text, lines = 15) => text.trim().split('\n').slice(-lines).join('\n');
