import type { RunDocument } from '@lvnet/experiments';
import { Failure } from '@lvnet/core';
import { openEngine, type Engine, type EngineKind } from '@lvnet/engine';
import { engineFingerprint } from '@lvnet/training';

/**
 * An engine that gives the bytes of the run's own.
 *
 * @throws Failure('WORKER_UNSUITABLE') where this machine's gives others, Failure('ENGINE_UNAVAILABLE')
 */
export async function openEngineLike(
  { run, engine: wanted }: Pick<RunDocument, 'run' | 'engine'>,
  threads: number | undefined,
): Promise<Engine> {
  const kind = wanted.kind as EngineKind;
  const engine = await openEngine(threads === undefined ? { kind } : { kind, threads });
  const fingerprint = engineFingerprint(engine);
  if (fingerprint === wanted.fingerprint) return engine;
  throw new Failure(
    'WORKER_UNSUITABLE',
    { run, kind, expected: wanted.fingerprint, found: fingerprint },
    {
      message: `The steps of run ${run} cannot be done again here: the ${kind} engine of this machine gives other bytes than the one that trained it (fingerprint ${fingerprint.slice(0, 12)} instead of ${wanted.fingerprint.slice(0, 12)}).`,
      hint: `Do it on a machine like those that trained the run${kind === 'tensorflow' ? ', with the --threads of its workers' : ''}; lvnet audit --steps 0 checks the books anywhere.`,
    },
  );
}
