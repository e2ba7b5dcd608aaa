import { inputMultiple } from '@lvnet/networks';
import type { Experiment } from './experiment.js';
import type { Problem } from './problems.js';

/** Fields that are each valid but do not go together. */
export function contradictionsOf(experiment: Experiment): Problem[] {
  const { data, network, loss, training, workers } = experiment;
  const problems: Problem[] = [];
  const claim = (holds: boolean, path: string, value: unknown, message: string) => {
    if (!holds)
      problems.push({
        path,
        value,
        nearest: null,
        message: `${path} (${JSON.stringify(value)}): ${message}`,
      });
  };
  const heads = network.levels - 1;
  claim(
    loss.eta.length === heads,
    'loss.eta',
    loss.eta,
    `needs ${String(heads)} weights, one per head, because network.levels is ${String(network.levels)}`,
  );
  const multiple = inputMultiple(network);
  claim(
    data.patch.every((size) => size % multiple === 0),
    'data.patch',
    data.patch,
    `every size must divide by ${String(multiple)} (2^(network.levels - 1))`,
  );
  claim(data.windowHu[0] < data.windowHu[1], 'data.windowHu', data.windowHu, 'the lower end comes first');
  claim(
    training.batch % training.shards === 0,
    'training.shards',
    training.shards,
    `must divide training.batch, which is ${String(training.batch)}`,
  );
  claim(
    workers.min <= workers.max,
    'workers.min',
    workers.min,
    `is more than workers.max, which is ${String(workers.max)}`,
  );
  claim(
    workers.min <= training.shards,
    'workers.min',
    workers.min,
    `no more than training.shards (${String(training.shards)}) workers can take part in a step`,
  );
  if (typeof data.split !== 'string') {
    claim(data.split.train > 0, 'data.split.train', data.split.train, 'there must be something to train on');
    if (training.stop !== undefined) {
      claim(
        data.split.validation > 0,
        'training.stop',
        training.stop,
        'needs validation cases: data.split.validation is 0',
      );
    }
  }
  return problems;
}

/** Not wrong, but worth a word before hours are spent. */
export function preflight(experiment: Experiment): { warnings: string[] } {
  const { training, workers, optimizer, data } = experiment;
  const warnings: string[] = [];
  if (workers.max > training.shards) {
    warnings.push(
      `workers.max is ${String(workers.max)}, but at most ${String(training.shards)} workers (training.shards) can help this run; the others stand by.`,
    );
  }
  if (optimizer.decayPerEpoch ** training.epochs < 0.001) {
    warnings.push(
      `the learning rate falls below a thousandth of its start within ${String(training.epochs)} epochs (optimizer.decayPerEpoch).`,
    );
  }
  if (training.batch / training.shards === 1 && data.patch.some((size) => size < 16)) {
    warnings.push(
      'batch statistics come from very few voxels: use a larger data.patch or fewer training.shards.',
    );
  }
  return { warnings };
}
