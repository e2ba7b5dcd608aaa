import { openEngine, type Engine } from '@lvnet/engine';
import { loadKernels } from '@lvnet/kernels';

export interface Engines {
  native: Engine;
  reference: Engine;
}

/** Both engines, opened before the calling suite's tests; where the addon is not built the suite is skipped. */
export function bothEngines(): Engines {
  const engines = {} as Engines;
  before(async function () {
    if (loadKernels() === undefined) {
      if (process.env['CI'] !== undefined) throw new Error('CI needs the addon');
      process.stderr.write('      skipped: the addon is not built\n');
      this.skip();
    }
    engines.reference = await openEngine({ kind: 'reference' });
    engines.native = await openEngine({ kind: 'native', threads: 2 });
  });
  return engines;
}
