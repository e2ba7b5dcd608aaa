import { Failure, invariant } from '@lvnet/core';
import { runKeys, type PreparedRecord, type RunDocument } from '@lvnet/experiments';
import type { PrepareJob } from '@lvnet/queue';
import {
  discoverCases,
  loadPrepared,
  preparedName,
  prepareCaseInThread,
  storePrepared,
  type CaseFiles,
  type CaseTransform,
} from '@lvnet/volumes';
import { readRunDocument, writeDocument, type TaskContext } from './context.js';

/** Brings one case into the store in prepared form; the record tells the sampler what it needs. */
export async function prepareTask(job: PrepareJob, { store }: TaskContext): Promise<void> {
  const key = runKeys.prepared(job.run, job.case);
  if ((await store.head(key)) !== undefined) return;
  const document = await readRunDocument(store, job.run);
  const expected = expectedHash(document, job.case);
  const transform = transformOf(document);
  const name = preparedName(expected, transform);
  if ((await store.head(`cases/${name}.safetensors`)) === undefined) {
    const prepared = await prepareCaseInThread(await filesOf(document, job.case), transform);
    if (prepared.contentSha256 !== expected) throw changed(document, job.case);
    await storePrepared(store, prepared);
  }
  const { prepared, sha256 } = await loadPrepared(store, name);
  const record: PreparedRecord = {
    case: job.case,
    prepared: name,
    sha256,
    depth: prepared.depth,
    rows: prepared.rows,
    columns: prepared.columns,
    liver: prepared.liver,
    warnings: [...prepared.warnings],
  };
  await writeDocument(store, key, record);
}

export function transformOf(document: RunDocument): CaseTransform {
  const { windowHu, patch } = document.experiment.data;
  return { version: 1, windowHu, rows: patch[1], columns: patch[2], normalise: 'volume' };
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

function changed(document: RunDocument, id: string): Failure {
  return new Failure(
    'DATASET_INVALID',
    { root: document.experiment.data.root, case: id },
    {
      message: `Case ${id} in ${document.experiment.data.root} is not the one that was submitted.`,
      hint: 'Its voxels changed since then; submit the experiment again to use the new ones.',
    },
  );
}
