import type { CoordinatorOptions } from './process.js';

export type { CoordinatorOptions };

/**
 * The coordinator process, leader or standby, until the signal aborts. What only it needs (page, metrics, queues) is
 * loaded here: whoever looks at runs does not wait for that.
 */
export async function runCoordinatorProcess(options: CoordinatorOptions, signal: AbortSignal): Promise<void> {
  const { leadOrStandBy } = await import('./process.js');
  await leadOrStandBy(options, signal);
}
