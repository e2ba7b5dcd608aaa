import assert from 'node:assert/strict';
import type { KernelSet } from '../kernel-set.js';
import { kernelsOrSkip } from '../addon.fixture.js';
import { referenceKernels } from '../reference/index.js';
import { captureTests, type CapturedTest } from './captured-tests.fixture.js';
import { outputsOf, type KernelName } from './outputs.fixture.js';
import { mutantsOf, watching, withMutant, type Mutant } from './plant.fixture.js';

const differences = ['../reference/reference.test.js', '../reference/dense-reference.test.js'];
const comparisons = ['../native.test.js', '../dense.test.js'];

/** Tests by the kernel and output that they look at, the quickest first. */
type Judges = Map<KernelName, Map<string, CapturedTest[]>>;

function judgesOf(kernels: KernelSet, tests: readonly CapturedTest[]): Judges {
  const judges: Judges = new Map();
  const timed = tests.map((test) => {
    const startMs = performance.now();
    const seen = new Set<string>();
    watching(kernels, (kernel, output) => seen.add(`${kernel} ${output}`), test.run);
    return { test, seen, ms: performance.now() - startMs };
  });
  for (const { test, seen } of timed.sort((a, b) => a.ms - b.ms))
    for (const [kernel, output = ''] of [...seen].map((name) => name.split(' '))) {
      const known = judges.get(kernel as KernelName) ?? new Map<string, CapturedTest[]>();
      known.set(output, [...(known.get(output) ?? []), test]);
      judges.set(kernel as KernelName, known);
    }
  return judges;
}

const fails = (test: CapturedTest): boolean => {
  try {
    test.run();
    return false;
  } catch {
    return true;
  }
};

/** Mutants that no test of their kernel finds, of those that change anything; and how many there were. */
function survivors(kernels: KernelSet, judges: Judges, wanted: (mutant: Mutant) => boolean) {
  const left: string[] = [];
  let count = 0;
  for (const [kernel, outputs] of judges)
    for (const mutant of mutantsOf(kernel, outputs.keys()).filter(wanted)) {
      const judging = outputs.get(mutant.output) ?? [...outputs.values()].flat();
      let [caught, changed] = [false, false];
      for (const test of judging) {
        changed = withMutant(kernels, mutant, () => (caught = fails(test))) || changed;
        if (caught) break;
      }
      if (changed) count++;
      if (changed && !caught) left.push(`${kernel}, ${mutant.output}: ${mutant.error}`);
    }
  return { left, count };
}

/** Differences judge each number by itself and take their time: two errors of each gradient will do. */
const isSampled = ({ output, error }: Mutant) =>
  /^d[a-z]/.test(output) && error.includes('off by') && error !== 'off by one';

describe('errors planted in kernels', function () {
  this.timeout(180_000);
  let native: KernelSet;
  before(function () {
    native = kernelsOrSkip(this);
  });

  it('can be planted in every kernel there is', () => {
    const known = Object.keys(outputsOf).sort();
    const others = ['name', 'allocate', 'irbSavedLength', 'instructionSet', 'setThreads', 'fmaPeak'];
    for (const kernels of [referenceKernels, native]) {
      const found = Object.keys(kernels).filter((name) => !others.includes(name));
      assert.deepEqual(found.sort(), known, `${kernels.name}: every kernel says what it writes`);
    }
  });

  it('are found in every native kernel by comparison with the plain loops', async () => {
    const judges = judgesOf(native, await captureTests(comparisons));
    assert.deepEqual([...judges.keys()].sort(), Object.keys(outputsOf).sort(), 'every kernel is judged');
    const { left, count } = survivors(native, judges, () => true);
    assert.deepEqual(left, []);
    assert.ok(count > 300, `only ${String(count)} errors`);
  });

  it('are found in every gradient of the plain loops by central differences', async () => {
    const judges = judgesOf(referenceKernels, await captureTests(differences));
    const gradients = Object.keys(outputsOf).filter((name) => /Backward|CrossEntropy|sumRows/.test(name));
    for (const name of gradients) assert.ok(judges.has(name as KernelName), `${name} is judged`);
    const { left, count } = survivors(referenceKernels, judges, isSampled);
    assert.deepEqual(left, []);
    assert.ok(count > 40, `only ${String(count)} errors`);
  });
});
