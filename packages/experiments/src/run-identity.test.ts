import assert from 'node:assert/strict';
import type { RunDocument } from './documents.js';
import { parseExperiment } from './parse.js';
import { identityOfRun, unsuitedFor } from './run-identity.js';
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
const worker = { ...content.engine, version: '1.2.3' };

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
  ];
  for (const { what, document: other = document, worker: who = worker, says } of rows) {
    it(what, () => {
      const differences = unsuitedFor(other, who);
      assert.equal(differences.length, says.length, differences.join('\n'));
      for (const [i, pattern] of says.entries()) assert.match(differences[i] ?? '', pattern);
    });
  }
});
