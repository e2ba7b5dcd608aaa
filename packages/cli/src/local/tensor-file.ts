import { readFile } from 'node:fs/promises';
import { asFailure, Failure } from '@lvnet/core';
import { decodeSafetensors, type Dtype, type NamedTensor } from '@lvnet/safetensors';

/** @throws Failure('FILE_NOT_FOUND' | 'SAFETENSORS_INVALID') naming the file */
export async function readTensorFile(path: string): Promise<Map<string, NamedTensor>> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    const message = `${path} cannot be read.`;
    throw new Failure('FILE_NOT_FOUND', { path }, { message, hint: 'Check the path.', cause });
  });
  try {
    return decodeSafetensors(bytes).tensors;
  } catch (cause) {
    throw new Failure(
      'SAFETENSORS_INVALID',
      { path },
      {
        message: `${path} is no sound safetensors file: ${asFailure(cause).message}`,
        hint: 'Write it anew.',
        cause,
      },
    );
  }
}

/**
 * A tensor that must be there with this type and so many axes.
 *
 * @throws Failure('SHAPE_MISMATCH')
 */
export function tensorOf(
  tensors: ReadonlyMap<string, NamedTensor>,
  path: string,
  wanted: { name: string; dtype: Dtype; axes: readonly string[] },
): NamedTensor {
  const { name, dtype, axes } = wanted;
  const tensor = tensors.get(name);
  if (tensor?.dtype === dtype && tensor.shape.length === axes.length) return tensor;
  const found = tensor === undefined ? 'is missing' : `is ${tensor.dtype} [${tensor.shape.join(', ')}]`;
  throw new Failure(
    'SHAPE_MISMATCH',
    { path, name, dtype, axes },
    {
      message: `${path}: ${name} ${found}.`,
      hint: `It must be ${dtype} [${axes.join(', ')}].`,
    },
  );
}
