import { sha256Hex } from '@lvnet/core';
import type { NamedTensor } from '@lvnet/safetensors';

/** The name of the first tensor of `a` that is absent from `b` or has other bytes there. */
export function firstDifference(a: readonly NamedTensor[], b: readonly NamedTensor[]): string | undefined {
  const others = new Map(b.map((tensor) => [tensor.name, tensor]));
  return a.find((tensor) => hashOf(tensor) !== hashOf(others.get(tensor.name)))?.name;
}

const hashOf = (tensor: NamedTensor | undefined): string => {
  if (tensor === undefined) return '';
  const { buffer, byteOffset, byteLength } = tensor.data;
  return sha256Hex(tensor.dtype, tensor.shape.join(), new Uint8Array(buffer, byteOffset, byteLength));
};
