import { canonicalJson, sha256Hex } from '@lvnet/core';
import { encodeSafetensors, safetensorsPieces, type NamedTensor } from '@lvnet/safetensors';

/**
 * The bytes of weights.safetensors: fixed header, no dates, no run id, so that equal weights are equal
 * files. num_batches_tracked and running statistics are weights too.
 */
export const encodeWeights = (weights: readonly NamedTensor[]): Uint8Array =>
  encodeSafetensors(weights, metadata);

const metadata = { format: 'pt' };

/** Of that file, without making it: taken in every step. */
export const weightsSha256 = (weights: readonly NamedTensor[]): string =>
  sha256Hex(...safetensorsPieces(weights, metadata));

/** d(0) of the chain: the initial weights. */
export const firstDigest = (weightsSha: string): string => weightsSha;

/** d(s) = SHA-256(d(s-1), s, sample ids, SHA-256 of the weights after s). */
export function nextDigest(
  previous: string,
  step: number,
  sampleIds: readonly string[],
  weightsSha: string,
): string {
  return sha256Hex(canonicalJson([previous, step, sampleIds, weightsSha]));
}
