import { Failure, sha256Hex } from '@lvnet/core';
import {
  decodeSafetensors,
  encodeSafetensors,
  float32Of,
  SafetensorsError,
  type NamedTensor,
} from '@lvnet/safetensors';
import type { Store } from '@lvnet/store';
import { z } from 'zod';
import { voxelCount } from './geometry.js';
import { decodeRuns, preparedName, type CaseTransform, type PreparedCase } from './prepared.js';

const triple = z.tuple([z.number(), z.number(), z.number()]);

const metadataSchema = z.strictObject({
  version: z.literal(1),
  case: z.string(),
  contentSha256: z.string(),
  transform: z.strictObject({
    version: z.literal(1),
    windowHu: z.tuple([z.number(), z.number()]),
    rows: z.number(),
    columns: z.number(),
    normalise: z.literal('volume'),
    spacingOverrideMm: triple.optional(),
  }),
  labelled: z.boolean(),
  intensity: z.strictObject({ meanHu: z.number(), standardDeviationHu: z.number() }),
  liver: z.tuple([z.number(), z.number()]).nullable(),
  source: z.strictObject({
    shape: triple,
    spacingMm: triple,
    affine: z.array(z.number()).length(16),
    orientation: z.string().regex(/^[LRAPSI]{3}$/),
  }),
  warnings: z.array(z.string()),
});

const metadataKey = 'lvnet.case';

/** One safetensors file; the same case gives the same bytes on every machine. */
export function encodePrepared(prepared: PreparedCase): Uint8Array {
  const { image, label, sourceLabelRuns, depth, rows, columns, ...rest } = prepared;
  const shape = [depth, rows, columns];
  const metadata = { version: 1, ...rest };
  return encodeSafetensors(
    [
      { name: 'image', dtype: 'F32', shape, data: image },
      { name: 'sourceLabel', dtype: 'U32', shape: [sourceLabelRuns.length / 2, 2], data: sourceLabelRuns },
      { name: 'label', dtype: 'U8', shape, data: label },
    ],
    { [metadataKey]: JSON.stringify(metadataSchema.parse(metadata)) },
  );
}

/**
 * Reads a prepared case; arrays view `bytes` where they can.
 *
 * @param name what the case is called in messages
 * @throws Failure('CASE_CORRUPT')
 */
export function decodePrepared(bytes: Uint8Array, name = 'A prepared case'): PreparedCase {
  try {
    return decode(bytes, name);
  } catch (error) {
    if (error instanceof SafetensorsError || error instanceof SyntaxError || error instanceof z.ZodError) {
      throw corrupt(name, error.message, error);
    }
    throw error;
  }
}

function decode(bytes: Uint8Array, name: string): PreparedCase {
  const { tensors, metadata } = decodeSafetensors(bytes);
  const { version, transform, ...rest } = metadataSchema.parse(JSON.parse(metadata[metadataKey] ?? 'null'));
  const tensor = (part: string): NamedTensor => {
    const found = tensors.get(part);
    if (found === undefined) throw corrupt(name, `it lacks ${part} in version ${String(version)}`);
    return found;
  };
  const image = tensor('image');
  const label = tensor('label').data;
  const runs = tensor('sourceLabel').data;
  const [depth = 0, rows = 0, columns = 0] = image.shape;
  if (
    !(label instanceof Uint8Array) ||
    !(runs instanceof Uint32Array) ||
    label.length !== depth * rows * columns
  ) {
    throw corrupt(name, 'its tensors have the wrong type or size');
  }
  const filled = decodeRuns(runs, voxelCount(rest.source.shape)) !== undefined;
  if (filled !== rest.labelled) throw corrupt(name, 'its label does not fill its grid');
  return {
    ...rest,
    transform: transformOf(transform),
    depth,
    rows,
    columns,
    image: float32Of(image),
    label,
    sourceLabelRuns: runs,
  };
}

/** Without the key where there is no override: an absent and an undefined one are told apart. */
function transformOf({
  spacingOverrideMm,
  ...rest
}: z.infer<typeof metadataSchema>['transform']): CaseTransform {
  return spacingOverrideMm === undefined ? rest : { ...rest, spacingOverrideMm };
}

function corrupt(name: string, what: string, cause?: unknown): Failure {
  return new Failure(
    'CASE_CORRUPT',
    { name, what },
    { message: `${name} is corrupt: ${what}.`, hint: 'Delete it and prepare the case again.', cause },
  );
}

/** What this package needs of an object store. */
export type CaseStore = Pick<Store, 'get' | 'put'>;

export function preparedKey(name: string): string {
  return `cases/${name}.safetensors`;
}

/** Puts a prepared case under its name; returns the name and the SHA-256 of the object. */
export async function storePrepared(
  store: CaseStore,
  prepared: PreparedCase,
): Promise<{ name: string; sha256: string }> {
  const name = preparedName(prepared.contentSha256, prepared.transform);
  const bytes = encodePrepared(prepared);
  await store.put(preparedKey(name), bytes);
  return { name, sha256: sha256Hex(bytes) };
}

/**
 * Gets a prepared case and verifies it: against the expected SHA-256 where one is known (a plain
 * case comes back), else against its own name alone (its SHA-256 comes back with it).
 *
 * @throws Failure('CASE_CORRUPT'), and whatever the store throws
 */
export async function loadPrepared(
  store: CaseStore,
  name: string,
): Promise<{ prepared: PreparedCase; sha256: string }>;
export async function loadPrepared(
  store: CaseStore,
  name: string,
  expectedSha256: string,
): Promise<PreparedCase>;
export async function loadPrepared(
  store: CaseStore,
  name: string,
  expectedSha256?: string,
): Promise<PreparedCase | { prepared: PreparedCase; sha256: string }> {
  const key = preparedKey(name);
  const bytes = await store.get(key);
  const sha256 = sha256Hex(bytes);
  if (expectedSha256 !== undefined && sha256 !== expectedSha256) {
    throw corrupt(key, `its SHA-256 is ${sha256}, not ${expectedSha256}`);
  }
  const prepared = decodePrepared(bytes, key);
  if (preparedName(prepared.contentSha256, prepared.transform) !== name) {
    throw corrupt(key, 'it holds another case than its name says');
  }
  return expectedSha256 === undefined ? { prepared, sha256 } : prepared;
}
