/**
 * How work of several steps speaks: what begins, then a line for each that ended, with its seconds.
 *
 * @typedef {{ begin(titles: readonly string[]): void, end(title: string, text: string, ms: number): void, say(text: string): void }} Progress
 */

const WIDTH = 34;

/**
 * @param {{ write(text: string): unknown }} [out]
 * @returns {Progress}
 */
export function terminalProgress(out = process.stderr) {
  /** The one whose line is not ended yet. */
  let open = '';
  const close = () => {
    if (open !== '') out.write('\n');
    open = '';
  };
  return {
    begin(titles) {
      const [title = ''] = titles;
      out.write(
        titles.length > 1 ? `  At once: ${titles.join(', ')} ...\n` : `  ${title} ... `.padEnd(WIDTH),
      );
      open = titles.length > 1 ? '' : title;
    },
    end(title, text, ms) {
      if (open !== title) out.write(`  ${title} `.padEnd(WIDTH));
      open = '';
      out.write(`${(ms / 1000).toFixed(1).padStart(6)} s  ${text}\n`);
    },
    say(text) {
      close();
      out.write(`${text}\n`);
    },
  };
}
