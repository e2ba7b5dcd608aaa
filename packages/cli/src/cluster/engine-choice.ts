import { Failure } from '@lvnet/core';
import { openEngine, type EngineKind } from '@lvnet/engine';
import { loadKernels } from '@lvnet/kernels';
import type { Registry, WorkerEntry } from '@lvnet/queue';
import { engineFingerprint } from '@lvnet/training';

export interface EngineChoice {
  kind: string;
  fingerprint: string;
  /** Why no live worker can take part, where that is so: members of a run must have one engine and its fingerprint. */
  waiting?: string;
}

const preference = ['tensorflow', 'native', 'reference'];

/**
 * Which engine a run is for: the wanted kind, or for `auto` the best kind that live workers have. With no
 * suitable worker alive it is measured here, in the hope that workers like this machine will come.
 */
export async function chooseEngine(wanted: string, registry: Registry | undefined): Promise<EngineChoice> {
  const workers = (await registry?.workers()) ?? [];
  const best = bestOf(workers, wanted);
  if (best !== undefined) return { kind: best.engine, fingerprint: best.fingerprint };
  const kind = wanted === 'auto' ? localKind() : (wanted as EngineKind);
  const engine = await openEngine({ kind });
  const fingerprint = engineFingerprint(engine);
  if (workers.length === 0) return { kind, fingerprint };
  const there = [...new Set(workers.map((worker) => worker.engine))].join(', ');
  const own = engine.kind === 'tensorflow' ? ` --threads ${String(engine.threads)}` : '';
  const waiting = `No worker that is alive has the ${kind} engine (there are: ${there}), and members of a run share one kind: the run waits for lvnet worker --engine ${kind}${own} on a machine like this one.`;
  return { kind, fingerprint, waiting };
}

/** The kind with the highest rank; among its fingerprints the one that most workers share. */
function bestOf(workers: readonly WorkerEntry[], wanted: string): WorkerEntry | undefined {
  const count = (worker: WorkerEntry) =>
    workers.filter((other) => other.fingerprint === worker.fingerprint).length;
  return workers
    .filter((worker) => wanted === 'auto' || worker.engine === wanted)
    .sort(
      (a, b) =>
        preference.indexOf(a.engine) - preference.indexOf(b.engine) ||
        count(b) - count(a) ||
        a.fingerprint.localeCompare(b.fingerprint),
    )[0];
}

export const localKind = (): EngineKind => (loadKernels() === undefined ? 'reference' : 'native');

/** Waits until so many workers have proved their engines. */
export async function awaitWorkers(
  registry: Registry,
  count: number,
  limitMs: number,
  pause: (durationMs: number) => Promise<void>,
): Promise<WorkerEntry[]> {
  const untilMs = performance.now() + limitMs;
  for (;;) {
    const workers = await registry.workers();
    if (workers.length >= count) return workers;
    if (performance.now() > untilMs) {
      throw new Failure(
        'DEADLINE',
        { wanted: count, there: workers.length },
        {
          message: `Only ${String(workers.length)} of ${String(count)} workers came up within ${String(limitMs / 1000)} s.`,
          hint: 'Their logs in the logs folder say why.',
        },
      );
    }
    await pause(100);
  }
}
