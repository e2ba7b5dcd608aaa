import type { RunDocument, RunSplit } from './documents.js';
import { identityOf } from './identity.js';

/** Raised when a golden digest of the training step changes: older runs are then other runs. */
export const numericsVersion = 4;

/** What a run is named after. */
export type RunContent = Pick<
  RunDocument,
  'engine' | 'experiment' | 'split' | 'again' | 'parent' | 'weights'
>;

/** The identity that a run's content gives with this version's numerics. */
export function identityOfRun({ engine, experiment, split, again, parent, weights }: RunContent): string {
  const hashesOf = (cases: RunSplit['train']) => cases.map((item) => item.contentSha256);
  const origin = {
    train: hashesOf(split.train),
    validation: hashesOf(split.validation),
    test: hashesOf(split.test),
    again,
    ...(parent === null ? {} : { parent: { step: parent.step, digest: parent.digest } }),
    ...(weights === undefined ? {} : { weights: weights.sha256 }),
  };
  return identityOf(experiment, origin, engine.fingerprint, numericsVersion);
}

/**
 * The checkpoint, in the run's own folder, that a run starts from: that of a fork, or given weights. null where
 * the weights are drawn.
 */
export function startOfRun({
  parent,
  weights,
}: Pick<RunDocument, 'parent' | 'weights'>): { step: number; digest: string } | null {
  if (parent !== null) return { step: parent.step, digest: parent.digest };
  return weights === undefined ? null : { step: 0, digest: weights.sha256 };
}

/**
 * Why a worker cannot take part in a run, in words: its engine rounds otherwise, or what its version makes of
 * the run's document is another run.
 *
 * @param worker its engine and the version of lvnet that it runs
 */
export function unsuitedFor(
  document: RunDocument,
  worker: { kind: string; fingerprint: string; version: string },
): string[] {
  const { engine, run } = document;
  const differences: string[] = [];
  if (worker.kind !== engine.kind) {
    differences.push(`its engine is ${worker.kind}, that of run ${run} is ${engine.kind}`);
  } else if (worker.fingerprint !== engine.fingerprint) {
    const [own, wanted] = [worker.fingerprint, engine.fingerprint].map((text) => text.slice(0, 12));
    differences.push(
      `its ${engine.kind} engine rounds otherwise than that of run ${run} (fingerprint ${String(own)} instead of ${String(wanted)})`,
    );
  }
  if (identityOfRun(document) !== document.identity) {
    differences.push(
      `run.json of ${run} is not what the run was named after: it was altered, or lvnet ${worker.version} with numerics ${String(numericsVersion)} is another version than it was submitted with`,
    );
  }
  return differences;
}
