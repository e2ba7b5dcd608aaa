import { loadKernels, type NativeKernels } from './native.js';

/**
 * The native kernels for a suite; where the addon is not built the suite is skipped, says so, and fails where CI is
 * set. Call it in `before`.
 */
export function kernelsOrSkip(suite: { skip(): void }): NativeKernels {
  const found = loadKernels();
  if (found === undefined) skipWithoutAddon(suite);
  return found as NativeKernels; // a skip throws
}

/** The same where it is known that the addon, or what it offers, is not there. */
export function skipWithoutAddon(suite: { skip(): void }): void {
  if (process.env['CI'] !== undefined) throw new Error('CI needs the addon');
  process.stderr.write('      skipped: the addon is not built\n');
  suite.skip();
}
