import assert from 'node:assert/strict';
import type { RunDocument } from './documents.js';
import { parseExperiment } from './parse.js';
import { identityOfRun, startOfRun, unsuitedFor } from './run-identity.js';
import { runIdOf } from './identity.js';

const content = {
  engine: { kind: 'native', fingerprint: 'a'.repeat(64) },
  experiment: parseExperiment('data: { root: /data }'),
  split: { train: [{ case: '1', contentSha256: 'c1' }], validation: [], test: [] },
  ...{ again: 0, parent: null },
};
const identity = identityOfRun(content);
const document: RunDocument = {
  ...content,
  ...{ version: 1, run: runIdOf(identity), name: 'x', identity, sweep: null, createdAt: '', notes: [] },
};
const weights = { sha256: 'd'.repeat(64), from: 'liver@200' };
const given: RunDocument = { ...document, weights, identity: identityOfRun({ ...content, weights }) };
const worker = { ...content.engine, version: '1.2.3' };

function withWeights(reference: string): RunDocument['experiment'] {
  const { experiment } = content;
  return { ...experiment, network: { ...experiment.network, weights: reference } };
}

describe('where a run starts', () => {
  it('is with drawn weights, given ones, or a step of another run', () => {
    assert.equal(startOfRun(document), null);
    assert.deepEqual(startOfRun(given), { step: 0, digest: weights.sha256 });
    const parent = { run: 'r', step: 7, digest: 'f' };
    assert.deepEqual(startOfRun({ ...document, parent }), { step: 7, digest: 'f' });
  });
});

describe('a worker and the run that it is invited to', () => {
  const rows: { what: string; document?: RunDocument; worker?: typeof worker; says: RegExp[] }[] = [
    { what: 'suit each other', says: [] },
    {
      what: 'differ in the engine kind',
      worker: { ...worker, kind: 'reference', fingerprint: 'b'.repeat(64) },
      says: [/its engine is reference, that of run \w{12} is native/],
    },
    {
      what: 'differ in how they round',
      worker: { ...worker, fingerprint: 'b'.repeat(64) },
      says: [/native engine rounds otherwise .* \(fingerprint b{12} instead of a{12}\)/],
    },
    {
      what: 'differ in the experiment',
      document: { ...document, experiment: { ...document.experiment, seed: 99 } },
      says: [/run\.json of \w{12} is not what the run was named after: .* lvnet 1\.2\.3 with numerics \d+/],
    },
    { what: 'may differ in checkpoint habits', document: { ...document, name: 'another' }, says: [] },
    {
      what: 'differ in the weights that it starts from',
      document: { ...given, weights: { ...weights, sha256: 'e'.repeat(64) } },
      says: [/is not what the run was named after/],
    },
    {
      what: 'may differ in where these were found',
      document: {
        ...given,
        experiment: withWeights('elsewhere.safetensors'),
        weights: { ...weights, from: 'x' },
      },
      says: [],
    },
  ];
  for (const { what, document: other = document, worker: who = worker, says } of rows) {
    it(what, () => {
      const differences = unsuitedFor(other, who);
      assert.equal(differences.length, says.length, differences.join('\n'));
      for (const [i, pattern] of says.entries()) assert.match(differences[i] ?? '', pattern);
    });
  }
});
