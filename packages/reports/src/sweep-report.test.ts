import assert from 'node:assert/strict';
import { memoryStore } from '@lvnet/store';
import { writeSweepReport } from './sweep-report.js';
import { sortTrials, sweepAxes, type SweepTrial } from './sweep-trials.js';

const trial = (run: string, values: Record<string, unknown>, objective: number | null): SweepTrial => ({
  run,
  values,
  state: objective === null ? 'failed' : 'done',
  objective,
  steps: 10,
});
const objective = { metric: 'dice', direction: 'maximize' } as const;

describe('sweepAxes', () => {
  it('sorts numbers, keeps the order of others, and tells lists apart', () => {
    const trials = [
      trial('a', { n: 10, l: [1, 2] }, 1),
      trial('b', { n: 9, l: [0, 0] }, 1),
      trial('c', { n: 10, l: [1, 2] }, 1),
    ];
    assert.deepEqual(sweepAxes(trials), [
      { path: 'n', values: ['9', '10'] },
      { path: 'l', values: ['[1,2]', '[0,0]'] },
    ]);
  });
});

describe('sortTrials', () => {
  const trials = [trial('a', {}, 0.2), trial('b', {}, null), trial('c', {}, 0.9)];
  const runs = (direction: 'maximize' | 'minimize') =>
    sortTrials({ trials, objective: { metric: 'loss', direction } }).map(({ run }) => run);
  it('puts the best first and trials without an objective last', () => {
    assert.deepEqual(runs('maximize'), ['c', 'a', 'b']);
    assert.deepEqual(runs('minimize'), ['a', 'c', 'b']);
  });
});

describe('writeSweepReport', function () {
  this.timeout(20_000);

  async function written(trials: readonly SweepTrial[]): Promise<{ keys: string[]; page: string }> {
    const store = memoryStore();
    const best = sortTrials({ trials, objective })[0] ?? null;
    await writeSweepReport(store, 's', { sweep: 's', name: '<s>', objective, trials, best });
    const keys: string[] = [];
    for await (const { key } of store.list('sweeps/s/')) keys.push(key);
    return { keys, page: new TextDecoder().decode(await store.get('sweeps/s/report.html')) };
  }

  it('draws bars over one path', async () => {
    const { keys, page } = await written([
      trial('a', { k: 3 }, 0.81),
      trial('b', { k: 5 }, 0.86),
      trial('c', { k: 7 }, null),
    ]);
    assert.deepEqual(keys, ['sweeps/s/objective.png', 'sweeps/s/report.html']);
    assert.ok(/<code>b<\/code>\s*<span class="tag">best/.test(page));
    for (const shown of ['0.810', '0.860', '&#60;s&#62;', 'failed']) assert.ok(page.includes(shown), shown);
    assert.ok(!/<script|url\((?!#)/.test(page));
  });

  it('draws a heat map over two paths with the better of two trials in a cell', async () => {
    const grid = [3, 5].flatMap((k) =>
      [2, 4].map((e) => trial(`r${String(k)}${String(e)}`, { k, e }, (k + e) / 10)),
    );
    const { page } = await written([...grid, trial('again', { k: 3, e: 2 }, 0.111)]);
    const chart = page.slice(page.indexOf('<svg'), page.indexOf('</svg>'));
    for (const shown of ['0.500', '0.700', '0.900']) assert.ok(chart.includes(shown), shown);
    assert.ok(!chart.includes('0.111'));
  });

  it('draws the best trials over three paths', async () => {
    const trials = Array.from({ length: 40 }, (_, i) =>
      trial(`r${String(i)}`, { a: i, b: -i, c: [i] }, i / 40),
    );
    const { page } = await written(trials);
    assert.ok(page.includes('a / b / c'));
  });

  it('says so when no trial has an objective', async () => {
    const { keys, page } = await written([trial('a', { k: 3 }, null)]);
    assert.deepEqual(keys, ['sweeps/s/report.html']);
    assert.match(page, /No trial has come to an objective/);
  });
});
