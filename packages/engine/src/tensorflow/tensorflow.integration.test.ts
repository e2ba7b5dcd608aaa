/** Holds the tensorflow engine to all that is asked of the native one, operation by operation. */
import assert from 'node:assert/strict';
import '../arithmetic.test.js';
import '../convolution.test.js';
import '../dense-convolution.test.js';
import '../dense-operations.test.js';
import { bothEngines, putOnTrial } from '../engine.fixture.js';
import '../gradients.test.js';
import { openEngine, tf } from '../index.js';
import '../inverted-residual.test.js';
import '../normalisation.test.js';
import { declaredOperations } from '../operation.js';
import '../resampling.test.js';
import { fusedIsRight } from './batch-norm.js';
import { findBinding } from './binding.js';

putOnTrial('tensorflow');

const ran = new Set<string>();

before(async () => {
  if (findBinding() === undefined) return; // the suites say so
  await openEngine({ kind: 'tensorflow', threads: 2 });
  for (const name of declaredOperations()) {
    const kernel = tf.getKernel(name, 'lvnet-tensorflow');
    const { kernelFunc } = kernel;
    kernel.kernelFunc = (call) => {
      ran.add(name);
      return kernelFunc(call);
    };
  }
});

describe('the suites above', () => {
  bothEngines();

  it('ran every operation on TensorFlow', () => {
    assert.deepEqual([...ran].sort(), declaredOperations().sort());
  });
});

describe('the batch norm of GPUs', () => {
  bothEngines();

  it('agrees with the simple operations wherever it runs', async () => {
    await openEngine({ kind: 'tensorflow', threads: 2 });
    assert.ok(fusedIsRight());
  });
});
