import { counted } from '@lvnet/core';
import { contradictionOf, multipleWords, networkOf, singleValueNorm } from '@lvnet/networks/description';
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
  const { headCount, multiple, leastSize } = networkOf(network);
  claim(loss.eta.length === headCount, 'loss.eta', loss.eta, etaRule(network, headCount));
  claim(
    data.patch.every((size, axis) => size % (multiple.sizes[axis] ?? 1) === 0),
    'data.patch',
    data.patch,
    `${multipleWords(multiple.sizes)} (${multiple.reason.replace('levels', 'network.levels')})`,
  );
  claim(
    data.patch.slice(1).every((size) => size >= leastSize),
    'data.patch',
    data.patch,
    `rows and columns of ${network.name} must be ${String(leastSize)} or more`,
  );
  claim(
    network.name !== 'ce-net' || network.context === 'repeat' || data.patch[0] >= 3,
    'data.patch',
    data.patch,
    'needs three slices or more, because network.context is neighbours',
  );
  const contradiction = contradictionOf(network);
  claim(contradiction === undefined, 'network', network, contradiction ?? '');
  claim(data.windowHu[0] < data.windowHu[1], 'data.windowHu', data.windowHu, 'the lower end comes first');
  claim(
    training.batch % training.shards === 0,
    'training.shards',
    training.shards,
    `must divide training.batch, which is ${String(training.batch)}`,
  );
  const shapes = ['data.patch', 'network', 'training.shards'];
  if (problems.every(({ path }) => !shapes.includes(path))) {
    const norm = singleValueNorm(network, data.patch, training.batch / training.shards);
    claim(norm === undefined, 'data.patch', data.patch, singleValueRule(experiment, norm ?? ''));
  }
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

function etaRule(network: Experiment['network'], headCount: number): string {
  if (network.name !== 'lv-net') return `must be left out: ${network.name} has no deep supervision`;
  return `needs ${counted(headCount, 'weight')}, one per head, because network.levels is ${String(network.levels)}; zeros switch heads off`;
}

/** Judged by what a full shard gets. */
function singleValueRule({ network, training: { shards } }: Experiment, norm: string): string {
  const levels = network.name === 'lv-net' ? ', fewer network.levels' : '';
  const samples = shards > 1 ? 'fewer training.shards' : 'a larger training.batch';
  return `batch statistics of ${norm} would come from a single value per channel; use larger sizes${levels} or ${samples}`;
}

/** Not wrong, but worth a word before hours are spent. */
export function preflight(experiment: Experiment): { warnings: string[] } {
  const { training, workers, optimizer, data, network } = experiment;
  const warnings: string[] = [];
  if (workers.max > training.shards) {
    warnings.push(
      `workers.max is ${String(workers.max)}, but at most ${counted(training.shards, 'worker')} (training.shards) can help this run; the others stand by.`,
    );
  }
  if (optimizer.decayPerEpoch ** training.epochs < 0.001) {
    warnings.push(
      `the learning rate falls below a thousandth of its start within ${counted(training.epochs, 'epoch')} (optimizer.decayPerEpoch).`,
    );
  }
  const plane = networkOf(network).dimensions === 2 ? data.patch.slice(1) : data.patch;
  if (training.batch / training.shards === 1 && plane.some((size) => size < 16)) {
    warnings.push(
      'batch statistics come from very few voxels: use a larger data.patch or fewer training.shards.',
    );
  }
  return { warnings };
}
