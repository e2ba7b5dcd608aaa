/**
 * How set-up speaks: a line per step that has something to do, begun before the work and ended with its seconds.
 *
 * @typedef {{ begin(title: string): void, end(text: string, ms: number): void, say(text: string): void }} Progress
 */

const WIDTH = 34;

/**
 * @param {{ write(text: string): unknown }} [out]
 * @returns {Progress}
 */
export function terminalProgress(out = process.stderr) {
  let open = false;
  return {
    begin(title) {
      out.write(`  ${title} ... `.padEnd(WIDTH));
      open = true;
    },
    end(text, ms) {
      open = false;
      out.write(`${(ms / 1000).toFixed(1).padStart(6)} s  ${text}\n`);
    },
    say(text) {
      out.write(`${open ? '\n' : ''}${text}\n`);
      open = false;
    },
  };
}
