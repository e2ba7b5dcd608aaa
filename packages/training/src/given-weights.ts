import { Failure } from '@lvnet/core';
import type { Network, Weights } from '@lvnet/networks';
import type { NamedTensor } from '@lvnet/safetensors';
import { weightsOf } from './state.js';

/**
 * Weights that somebody gives: those of this network and of no other, every value a number.
 *
 * @param source where they come from, for the message
 * @throws Failure('WEIGHTS_MISMATCH') naming the first tensor that differs, Failure('WEIGHTS_INVALID') naming the
 *   first one that holds NaN or infinity
 */
export function givenWeights(network: Network, tensors: readonly NamedTensor[], source: string): Weights {
  const known = new Set(network.state.map(({ name }) => name));
  const given = new Set(tensors.map(({ name }) => name));
  const unknown = tensors.find(({ name }) => !known.has(name))?.name;
  const missing = network.state.find(({ name, kind }) => kind !== 'batchCount' && !given.has(name))?.name;
  if (unknown !== undefined) throw foreign(network, source, unknown, missing);
  const weights = weightsOf(network, tensors);
  for (const [name, values] of weights.byName) {
    const place = values.findIndex((value) => !Number.isFinite(value));
    if (place >= 0) throw notFinite(source, name, place, values[place] ?? Number.NaN);
  }
  return weights;
}

function foreign(network: Network, source: string, unknown: string, missing: string | undefined): Failure {
  const instead = missing === undefined ? '' : ` and lacks ${missing}`;
  return new Failure(
    'WEIGHTS_MISMATCH',
    { source, name: missing ?? unknown, unknown, missing: missing ?? null },
    {
      message: `${source} holds ${unknown}, which this ${network.config.name} has not${instead}.`,
      hint: 'Name the network of these weights, and say with --set how it was configured.',
    },
  );
}

function notFinite(source: string, name: string, place: number, value: number): Failure {
  return new Failure(
    'WEIGHTS_INVALID',
    { source, name, place, value: String(value) },
    {
      message: `${source} is of no use: ${name} holds ${String(value)} at position ${String(place)}.`,
      hint: 'Take an earlier checkpoint; the run that wrote this one went wrong.',
    },
  );
}
