import assert from 'node:assert/strict';
import { createChecking } from './checking.js';
import { firstView } from './view.js';

const [step, shard, leaves] = [100, 2, 4];

/** What member a says and whom it accuses, of two members of whom b has not computed the shard yet. */
async function afterFinding(...found: number[]) {
  const view = firstView(undefined, 1, ['a', 'b'], 0, 'id', leaves);
  const said: string[] = [];
  const accused: string[] = [];
  const membership = {
    sayChecked(_life: number, _step: number, line: string, sha256: string) {
      if (!said.some((one) => one.startsWith(`${line} `))) said.push(`${line} ${sha256}`);
      return Promise.resolve(said.join('\n'));
    },
    checked: () => Promise.resolve(said.join('\n')),
    announce: () => Promise.resolve(),
    head: () => Promise.resolve(step - 1),
  };
  const context = { membership, options: { worker: 'a', checkEverySteps: 50 } };
  const retrying = {
    accuse(_step: number, _shard: number, guilty: string, why: string) {
      accused.push(`${guilty} ${why}`);
      return Promise.resolve(undefined);
    },
  };
  const checking = createChecking(context, retrying, step, shard);
  const used: boolean[] = [];
  for (const value of found) {
    used.push(checking.found(Float32Array.of(value)));
    await checking.advance(view, true);
  }
  return { used, times: said.map((line) => line.split(' ')[1]), accused };
}

describe('what a member says of the shard that is checked', () => {
  it('is said twice, and not once more', async () => {
    assert.deepEqual(await afterFinding(1, 1, 1, 1), {
      used: [true, true, true, true],
      times: ['0', '1'],
      accused: [],
    });
  });

  it('contradicts what was said before: not used, and said at once', async () => {
    const { used, times, accused } = await afterFinding(1, 2);
    assert.deepEqual({ used, times }, { used: [true, false], times: ['0', '1'] });
    assert.deepEqual(accused, ['a contradicts itself']);
  });

  it('contradicts what was said twice: said too, so that another one computes the shard', async () => {
    const { used, times, accused } = await afterFinding(1, 1, 2, 2);
    assert.deepEqual({ used, times }, { used: [true, true, false, false], times: ['0', '1', '2'] });
    assert.equal(accused[0], 'a contradicts itself');
  });
});
