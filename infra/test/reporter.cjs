// A mocha reporter that tells the process which started it, over the pipe at file descriptor 3, line by line.
'use strict';
const { Socket } = require('node:net');

/** How long an error's words may be: a diff of two volumes would be megabytes. */
const MAX_CHARS = 20_000;

module.exports = class PipeReporter {
  constructor(/** @type {import('mocha').Runner} */ runner) {
    const pipe = new Socket({ fd: 3 });
    const tell = (/** @type {object} */ fact) => pipe.write(`${JSON.stringify(fact)}\n`);
    // The pipe closes with the process that started us: nobody would hear the rest, and nobody would end us.
    pipe.on('close', () => process.kill(-process.pid, 'SIGKILL'));
    pipe.on('error', () => undefined);
    pipe.resume();
    pipe.unref();
    const facts = (/** @type {import('mocha').Runnable} */ test) => ({
      file: test.file ?? '',
      title: test.fullTitle(),
      ms: test.duration ?? 0,
    });
    runner.on('pass', (test) => tell({ kind: 'passed', ...facts(test) }));
    runner.on('pending', (test) => tell({ kind: 'skipped', ...facts(test) }));
    runner.on('fail', (test, error) => tell({ kind: 'failed', ...facts(test), error: words(error) }));
    runner.once('end', () => tell({ kind: 'end' }));
  }
};

/**
 * Stack and causes; the stack begins with the message, and an assertion's message holds the difference.
 *
 * @param {unknown} error
 * @returns {string}
 */
function words(error) {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by ${words(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`.slice(0, MAX_CHARS);
}
