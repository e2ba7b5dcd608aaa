import { wordsOf, Problem } from './problem.mjs';

/**
 * A way to get a program into an empty folder; throws when it is not to be had that way.
 *
 * @typedef {{ name: string, into: (folder: string) => Promise<string> }} Source into() says what it brought
 */

/**
 * Tries one source after the other, each in a folder of its own making.
 *
 * @param {readonly Source[]} sources
 * @param {(source: Source) => Promise<string>} attempt
 * @param {{ what: string, hint: string }} words
 * @returns {Promise<string>} what was installed and from where
 * @throws {Problem} with every source's reason
 */
export async function firstThatWorks(sources, attempt, { what, hint }) {
  const reasons = [];
  for (const source of sources) {
    try {
      return `${await attempt(source)} (${source.name})`;
    } catch (error) {
      reasons.push(`${source.name}: ${wordsOf(error)}`);
    }
  }
  throw new Problem(`${what} could not be installed.`, hint, reasons.join('\n'));
}
