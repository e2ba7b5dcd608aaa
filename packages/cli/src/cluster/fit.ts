import { totalmem } from 'node:os';
import { counted, Failure } from '@lvnet/core';
import type { Experiment } from '@lvnet/experiments';
import { largestFit, memoryOf } from '@lvnet/networks/description';
import { formatBytes } from '../views/format.js';

/**
 * Refuses an experiment whose shards need more memory than a worker has.
 *
 * @param availableBytes default: this machine's
 * @throws Failure('MEMORY_TOO_SMALL') with the bytes needed and the largest that would fit
 */
export function checkFit(
  { network, data, training, workers }: Experiment,
  availableBytes = totalmem(),
): void {
  const samples = training.batch / training.shards;
  const device = workers.engine === 'tensorflow' ? 'tensorflow' : 'native';
  const { trainingBytes } = memoryOf(network, data.patch, samples)[device];
  if (trainingBytes <= availableBytes) return;
  const largest = largestFit(network, data.patch, device, availableBytes);
  const patch = largest.patch === null ? 'no patch' : `data.patch [${largest.patch.join(', ')}]`;
  const count =
    largest.samples === null ? '' : `${counted(largest.samples, 'sample')} a shard (training.shards), `;
  throw new Failure(
    'MEMORY_TOO_SMALL',
    { neededBytes: trainingBytes, availableBytes, samples, largest },
    {
      message: `A training step of ${network.name} takes ${formatBytes(trainingBytes)}, there are ${formatBytes(availableBytes)}.`,
      hint: `What would fit: ${count}${patch}; say with --memory what the workers have.`,
    },
  );
}
