export interface StopSignal {
  signal: AbortSignal;
  release: () => void;
}

/**
 * The first Ctrl-C (or SIGTERM) asks for a clean stop, the second one stops at once. After a Ctrl-C the exit
 * code is 130 either way; a process that was asked to end by SIGTERM and did has ended well.
 */
export function stopSignal(onFirst: () => void = () => undefined): StopSignal {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(130);
    if (name === 'SIGINT') process.exitCode = 130;
    onFirst();
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const release = () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
  return { signal: controller.signal, release };
}
