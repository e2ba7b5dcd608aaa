/**
 * The end of the output: every skipped test by name, every failure in full, and the counts as the last line.
 *
 * @param {readonly import('./run-file.mjs').FileResult[]} results
 * @param {{ seconds: number, names: readonly string[] }} o names: the filter, for the message when nothing ran
 * @returns {{ text: string, passed: boolean }} passed: something ran and nothing failed
 */
export function summary(results, { seconds, names }) {
  const all = results.flatMap(({ name, tests }) => tests.map((test) => ({ file: name, ...test })));
  const of = (/** @type {string} */ kind) => all.filter((test) => test.kind === kind);
  const [passed, failed, skipped] = [of('passed'), of('failed'), of('skipped')];
  const nothing = `No test ran${names.length === 0 ? '' : `: no test file is named like ${names.join(', ')}`}.`;
  const lines = [
    ...(skipped.length === 0 ? [] : ['Skipped:', ...skipped.map(({ file, title }) => `  ${file}: ${title}`)]),
    ...(failed.length === 0 ? [] : ['Failed:', ...failed.map(failure)]),
    ...(all.length === 0 ? [nothing] : []),
    `${seconds.toFixed(1)} s${skipped.length === 0 ? '' : `, ${String(skipped.length)} skipped`}`,
    `${String(passed.length)} passed, ${String(failed.length)} failed`,
  ];
  return { text: `\n${lines.join('\n')}\n`, passed: failed.length === 0 && passed.length > 0 };
}

/**
 * @param {{ file: string, title: string, error?: string }} test
 * @param {number} index
 */
const failure = ({ file, title, error = '' }, index) =>
  `  ${String(index + 1)}) ${file}: ${title}\n${error.replace(/^/gm, '     ')}\n`;
