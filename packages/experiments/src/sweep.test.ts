import assert from 'node:assert/strict';
import { lvNetOf } from './experiments.fixture.js';
import { readFileSync } from 'node:fs';
import { bestTrial, gridTrials, parseSweep, type Problem, type TrialOutcome } from './index.js';

const base = 'data: { root: /x }\nsearch: { algorithm: grid }\n';
const trialsOf = (text: string) => gridTrials(parseSweep(base + text));

describe('a grid', () => {
  it('takes every combination, the last axis fastest, in the order of the file', () => {
    const trials = trialsOf(`
seed: { choice: [3, 1] }
network: { kernel: 3, expansionRate: { choice: [2, 4, 8] } }
`);
    assert.deepEqual(
      trials.map(({ values }) => values),
      [3, 1].flatMap((seed) => [2, 4, 8].map((rate) => ({ seed, 'network.expansionRate': rate }))),
    );
    for (const { values, experiment } of trials) {
      assert.deepEqual(
        [experiment.seed, lvNetOf(experiment).expansionRate],
        [values['seed'], values['network.expansionRate']],
      );
      assert.equal(lvNetOf(experiment).kernel, 3);
    }
  });

  it('chooses among lists, mappings and words', () => {
    const trials = trialsOf(`
loss: { eta: { choice: [[0.2, 0.4, 0.6, 0.8], [0, 0, 0, 0]] } }
optimizer: { choice: [{ learningRate: 0.1 }, { learningRate: 0.2, weightDecay: 0 }] }
network: { activation: { choice: [elu, relu] } }
`);
    assert.equal(trials.length, 8);
    const { values, experiment } = trials[7] ?? {};
    assert.deepEqual(experiment?.loss.eta, [0, 0, 0, 0]);
    assert.deepEqual(values?.['optimizer'], { learningRate: 0.2, weightDecay: 0 });
    assert.deepEqual([experiment.optimizer.weightDecay, lvNetOf(experiment).activation], [0, 'relu']);
  });

  it('chooses items of lists and deep fields', () => {
    const trials = trialsOf(`
loss: { eta: [{ choice: [0.1, 0.2] }, 0.4, 0.6, { choice: [0, 1] }] }
training: { stop: { patience: { choice: [2, 3] } } }
`);
    assert.deepEqual(
      trials.map(({ experiment }) => [...experiment.loss.eta, experiment.training.stop?.patience]),
      [0.1, 0.2].flatMap((first) => [0, 1].flatMap((last) => [2, 3].map((p) => [first, 0.4, 0.6, last, p]))),
    );
    assert.deepEqual(trials[0]?.values, { 'loss.eta.0': 0.1, 'loss.eta.3': 0, 'training.stop.patience': 2 });
  });

  it('is one run without a choice', () => {
    assert.deepEqual(
      trialsOf('').map(({ values }) => values),
      [{}],
    );
  });

  it('leaves its template alone', () => {
    const sweep = parseSweep(`${base}loss: { eta: [{ choice: [0.1, 0.2] }, 0, 0, 0] }`);
    const before = structuredClone(sweep.template);
    gridTrials(sweep);
    assert.deepEqual(sweep.template, before);
  });

  it('judges every trial as an experiment', () => {
    assert.throws(() => trialsOf('network: { levels: { choice: [5, 4] } }'), {
      code: 'EXPERIMENT_CONTRADICTORY',
      message: /loss\.eta/,
    });
    assert.throws(() => trialsOf('network: { expansionRate: { choice: [4, 40] } }'), {
      code: 'EXPERIMENT_INVALID',
      message: /network\.expansionRate \(40\)/,
    });
    assert.throws(() => trialsOf('network: { expansonRate: { choice: [4, 5] } }'), {
      code: 'EXPERIMENT_INVALID',
      message: /did you mean expansionRate/,
    });
  });

  it('reads the example that comes with lvnet', () => {
    const text = readFileSync(new URL('../../../examples/sweep.yaml', import.meta.url), 'utf8');
    const sweep = parseSweep(text);
    assert.equal(gridTrials(sweep).length, 6);
    assert.deepEqual(
      [sweep.search.parallel, sweep.objective],
      [2, { metric: 'dice', direction: 'maximize' }],
    );
  });
});

describe('what is wrong with a sweep', () => {
  const grid = 'data: { root: /x }\n';
  const invalid: [string, RegExp][] = [
    ['', /search \(missing\)/],
    ['search: {}', /search\.algorithm \(missing\)/],
    ['search: { algorithm: gird }', /search\.algorithm \("gird"\).*grid/],
    ['search: { algorithm: grid, paralel: 2 }', /search\.paralel: unknown field; did you mean parallel\?/],
    ['search: { algorithm: grid, parallel: 0 }', /search\.parallel \(0\)/],
    ['search: { algorithm: tpe }', /search\.algorithm tpe comes in a later version/],
    [
      'search: { algorithm: grid }\nprune: { algorithm: asha, reduction: 3 }',
      /asha comes in a later version/,
    ],
    ['search: { algorithm: grid }\nobjective: { metric: voe }', /objective\.metric \("voe"\)/],
    ['search: { algorithm: grid }\nseed: { range: [1, 2] }', /seed\.range \[1,2\] comes in a later version/],
    ['search: { algorithm: grid }\nseed: { choice: [] }', /seed\.choice is not a list with values/],
    ['search: { algorithm: grid }\nseed: { choice: 3 }', /seed\.choice is not a list with values/],
    ['search: [', /cannot be read as YAML/],
  ];
  for (const [text, message] of invalid) {
    it(`invalid: ${text || 'no search'}`, () => {
      assert.throws(() => parseSweep(grid + text, { file: 's.yaml' }), {
        code: 'EXPERIMENT_INVALID',
        message,
      });
    });
  }

  const idle: [string, string][] = [
    ['search: { algorithm: grid, trials: 5 }', 'search.trials'],
    ['search: { algorithm: grid, budget: { hours: 1 } }', 'search.budget'],
    ['search: { algorithm: grid }\nprune: { algorithm: none, minSteps: 3 }', 'prune.minSteps'],
    ['search: { algorithm: grid }\nseed: { choice: [1, 2, 1] }', 'seed'],
    ['search: { algorithm: grid }\nloss: { eta: { choice: [[0, 1, 1, 1], [0, 1, 1, 1]] } }', 'loss.eta'],
    ['search: { algorithm: grid }\nworkers: { max: { choice: [1, 2] } }', 'workers.max'],
    ['search: { algorithm: grid }\nname: { choice: [a, b] }', 'name'],
    ['search: { algorithm: grid }\nlabels: { a.b: { choice: [a, b] } }', 'labels.a.b'],
  ];
  for (const [text, path] of idle) {
    it(`without effect: ${path} in ${text.split('\n').at(-1) ?? ''}`, () => {
      assert.throws(
        () => parseSweep(grid + text),
        (error: { code: string; details: { problems: Problem[] } }) => {
          assert.equal(error.code, 'EXPERIMENT_CONTRADICTORY');
          assert.deepEqual(
            error.details.problems.map((problem) => problem.path),
            [path],
          );
          return true;
        },
      );
    });
  }
});

describe('the best trial', () => {
  const trial = (
    run: string,
    objective: number | null,
    state: TrialOutcome['state'] = 'done',
  ): TrialOutcome => ({
    run,
    values: {},
    state,
    objective,
    steps: 1,
  });

  it('is the one with the largest or smallest objective, the first of equals', () => {
    const trials = [trial('a', 0.5), trial('b', 0.9), trial('c', 0.9), trial('d', 0.1), trial('e', 0.1)];
    assert.equal(bestTrial(trials, { direction: 'maximize' })?.run, 'b');
    assert.equal(bestTrial(trials, { direction: 'minimize' })?.run, 'd');
  });

  it('is done and has an objective', () => {
    const trials = [trial('a', 0.9, 'running'), trial('b', 0.95, 'failed'), trial('c', null), trial('d', 0)];
    assert.equal(bestTrial(trials, { direction: 'maximize' })?.run, 'd');
    assert.equal(bestTrial(trials.slice(0, 3), { direction: 'maximize' }), null);
  });
});
