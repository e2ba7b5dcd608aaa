import { Failure, invariant } from '@lvnet/core';
import { putDocument, runKeys, type PreparedRecord, type RunDocument } from '@lvnet/experiments';
import type { PrepareJob } from '@lvnet/queue';
import { discoverCases, ensurePrepared, transformFor, type CaseFiles } from '@lvnet/volumes';
import { readRunDocument, type TaskContext } from './context.js';

/** Brings one case into the store in prepared form; the record tells the sampler what it needs. */
export async function prepareTask(job: PrepareJob, { store }: TaskContext): Promise<void> {
  const key = runKeys.prepared(job.run, job.case);
  if ((await store.head(key)) !== undefined) return;
  const document = await readRunDocument(store, job.run);
  const expected = expectedHash(document, job.case);
  const transform = transformFor(document.experiment.data);
  const { created: _created, ...facts } = await ensurePrepared(store, expected, transform, () =>
    filesOf(document, job.case),
  );
  const record: PreparedRecord = { case: job.case, ...facts };
  await putDocument(store, key, record);
}

function expectedHash(document: RunDocument, id: string): string {
  const { train, validation, test } = document.split;
  const item = [...train, ...validation, ...test].find((candidate) => candidate.case === id);
  invariant(item !== undefined, `case ${id} is in the split of its run`);
  return item.contentSha256;
}

async function filesOf(document: RunDocument, id: string): Promise<CaseFiles> {
  const { root } = document.experiment.data;
  const files = (await discoverCases(root)).find((item) => item.id === id);
  if (files !== undefined) return files;
  throw new Failure(
    'DATASET_INVALID',
    { root, case: id },
    {
      message: `Case ${id} is not in ${root} any more.`,
      hint: 'Put it back, or submit the experiment again without it.',
    },
  );
}
