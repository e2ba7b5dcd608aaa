import { canonicalJson, sha256Hex } from '@lvnet/core';
import { networkConfigOf, type Experiment } from './experiment.js';

/**
 * What makes a run this run: everything that decides its bytes. Names, labels, folders, numbers of
 * workers, checkpoint habits and priority do not; nor does where given weights were found.
 *
 * @param origin content hashes of the cases by split, and of what the run starts from
 * @param numerics raised when the same experiment would give other bytes than before
 */
export function identityOf(
  experiment: Experiment,
  origin: unknown,
  engineFingerprint: string,
  numerics: number,
): string {
  const { data, loss, optimizer, training, exchange, seed } = experiment;
  const { root: _root, split: _split, ...decisiveData } = data;
  return sha256Hex(
    canonicalJson({
      version: 1,
      numerics,
      engineFingerprint,
      cases: origin,
      seed,
      data: decisiveData,
      network: networkConfigOf(experiment),
      loss,
      optimizer,
      training,
      exchange,
    }),
  );
}

/**
 * Fields that decide nothing about a run's bytes, or (the split) that decide it through the cases' hashes
 * alone, which all runs of a sweep share.
 */
export const indecisiveFields = [
  'name',
  'labels',
  'priority',
  'data.root',
  'data.split',
  'workers',
  'checkpoint',
] as const;

/** Short enough to type, long enough never to collide by chance. */
export const runIdOf = (identity: string): string => identity.slice(0, 12);
