import assert from 'node:assert/strict';
import { keys } from './keys.js';

describe('keys', () => {
  const at = { life: 2, step: 7, attempt: 1 };
  it('writes tensor names as the protocol gives them', () => {
    assert.equal(keys.view('r'), '{r}:view');
    assert.equal(keys.head('r', 2), '{r}:head:2');
    assert.equal(keys.lease('r', 'w-1'), '{r}:hb:w-1');
    assert.equal(keys.partial('r', at, 3, 0, 4), '{r}:p:2:7.1:3:0-4');
    assert.equal(keys.reduced('r', at, 3), '{r}:o:2:7.1:3');
    assert.equal(keys.state('r', 7), '{r}:state:7');
  });
  it('puts every control name under lvnet:', () => {
    for (const name of [keys.leader(), keys.run('r'), keys.worker('w'), keys.queuePrefix()]) {
      assert.match(name, /^lvnet:/);
    }
  });
});
