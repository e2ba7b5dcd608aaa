const POLL_MS = 300;

/**
 * Calls back once for each wish that we stop: Ctrl-C, SIGTERM, or the end of npm's shell.
 *
 * @param {(exitCode: number) => void} stop gets the code that a program ended by that signal has
 * @returns {() => void} for when nothing is left to stop
 */
export function onStop(stop) {
  const onInterrupt = () => {
    stop(130);
  };
  const onTerminate = () => {
    stop(143);
  };
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onTerminate);
  const release = onShellGone(onTerminate);
  return () => {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onTerminate);
    release();
  };
}

/**
 * npm runs a script in a shell and sends signals to that shell alone, which dies of them and tells nobody.
 * Without npm nothing is watched: a parent that ends may have left us behind on purpose.
 *
 * @param {() => void} gone
 * @returns {() => void}
 */
export function onShellGone(gone) {
  if (process.env['npm_lifecycle_event'] === undefined) return () => undefined;
  const shell = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(timer);
    gone();
  }, POLL_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}
