import assert from 'node:assert/strict';
import { softmaxCrossEntropy, tf, valueAndGradients, weightedSum } from '@lvnet/engine';
import { buildNetwork } from './index.js';
import type { InputSize } from './describe.js';
import { bothEngines } from './engines.fixture.js';
import { memoryOf } from './memory.js';
import { exampleOf, trainedLike } from './networks.fixture.js';
import { engineShape } from './parameters.js';
import { planOf } from './plan.js';
import { forward } from './tensor-layers.js';
import { valuesOf } from './weights.js';

describe('memory kept from forward to backward', function () {
  this.timeout(20_000);
  const engines = bothEngines();

  /** Bytes of the data that live from now on; tfjs itself counts those that tensors share once for each. */
  function liveBytes(): { bytes: () => number; stop: () => void } {
    const backend = tf.backend();
    const live = new Map<object, number>();
    const [write, dispose] = [backend.write.bind(backend), backend.disposeData.bind(backend)];
    backend.write = (values, shape, dtype) => {
      const id = write(values, shape, dtype);
      live.set(id, (values as Float32Array).byteLength);
      return id;
    };
    backend.disposeData = (id, force) => {
      const gone = dispose(id, force);
      if (gone) live.delete(id);
      return gone;
    };
    return {
      bytes: () => [...live.values()].reduce((sum, bytes) => sum + bytes, 0),
      stop: () => void Object.assign(backend, { write, disposeData: dispose }),
    };
  }

  /** Bytes of distinct tensors between the passes, and of what blocks and losses keep beside them. */
  function measured(options: Record<string, unknown>, size: InputSize): number {
    const { native } = engines;
    native.activate();
    const network = buildNetwork(options);
    const weights = trainedLike(network);
    const { image, label } = exampleOf([1, ...size], 2);
    const live = liveBytes();
    let kept = 0;
    let beside = 0;
    const entropy = native.kernels.softmaxCrossEntropy.bind(native.kernels);
    const irbForward = native.kernels.irbForward.bind(native.kernels);
    native.kernels.irbForward = (...call) => {
      beside += call[6]?.byteLength ?? 0;
      irbForward(...call);
    };
    native.kernels.softmaxCrossEntropy = (rows, classes, logits, labels, gradient) => {
      beside += gradient?.byteLength ?? 0;
      return entropy(rows, classes, logits, labels, gradient);
    };
    try {
      tf.engine().startScope('measured');
      const tensors = network.trained.map((spec) =>
        tf.tensor(valuesOf(weights, spec.name), engineShape(spec)),
      );
      const byName = new Map(network.trained.map(({ name }, i) => [name, tensors[i] as tf.Tensor]));
      /** Passes its gradient on: the first thing that runs once the forward pass is over. */
      const watch = tf.customGrad((x) => ({
        value: tf.scalar((x as tf.Tensor).dataSync()[0] ?? 0),
        gradFunc: (dy: tf.Tensor) => {
          kept = live.bytes();
          return tf.clone(dy);
        },
      }));
      const input = tf.tensor(image, [1, ...size, 1]);
      const loss = () => {
        const tensorOf = (name: string) => byName.get(name) as tf.Tensor;
        const mode = { training: true, onStatistics: () => undefined } as const;
        const { main, heads } = forward(network.config, tensorOf, input, mode);
        const terms = [main, ...heads].map((logits) => softmaxCrossEntropy(logits, label));
        return watch(
          weightedSum(
            terms,
            terms.map(() => 1),
          ),
        ) as tf.Scalar;
      };
      valueAndGradients(loss, tensors, () => undefined);
    } finally {
      tf.engine().endScope();
      Object.assign(native.kernels, { irbForward, softmaxCrossEntropy: entropy });
      live.stop();
    }
    const scalars = 4 * 2; // the value and the seed of its gradient
    return kept + beside - 4 * network.gradientLength - scalars;
  }

  for (const [options, size] of [
    [{ baseWidth: 2, levels: 2, blocksPerStage: 1, expansionRate: 2, kernel: 3 }, [4, 8, 8]],
    [{ baseWidth: 3, levels: 3, blocksPerStage: 2, expansionRate: 5, kernel: 3 }, [8, 8, 16]],
    [{ levels: 3 }, [4, 16, 16]],
  ] as const) {
    it(`${JSON.stringify(options)} at ${size.join('x')}`, () => {
      const expected = memoryOf(buildNetwork(options).config, size).native.keptBytes;
      assert.equal(measured(options, size), expected);
    });
  }

  it('counts one gradient for the skip and the sum of an up-sampling', () => {
    const { steps } = planOf(buildNetwork({}).config, [16, 32, 32]);
    const onto = steps.filter(({ kind, inputs }) => kind === 'resize' && inputs.length === 2);
    assert.ok(onto.length > 0);
    for (const { inputs, handsOn } of onto) assert.deepEqual(handsOn, [inputs[1]]);
  });
});
