import { Failure } from '@lvnet/core';
import type { Triple } from '@lvnet/kernels';
import type { NetworkConfig } from './config.js';
import { networkOf } from './definitions.js';

/**
 * Refuses sizes that the network cannot halve often enough, or that are too small for it.
 *
 * @throws Failure('SHAPE_MISMATCH')
 */
export function checkInput(config: NetworkConfig, input: Triple): void {
  const { multiple, leastSize } = networkOf(config);
  const whole = input.every((size) => Number.isInteger(size) && size > 0);
  if (!whole || input.some((size, axis) => size % (multiple.sizes[axis] ?? 1) !== 0)) {
    throw unfitting(input, multiple.sizes, `${multipleWords(multiple.sizes)} (${multiple.reason})`);
  }
  if (input.slice(1).every((size) => size >= leastSize)) return;
  throw unfitting(input, multiple.sizes, `rows and columns must be ${String(leastSize)} or more`);
}

function unfitting(input: Triple, multiple: Triple, rule: string): Failure {
  return new Failure(
    'SHAPE_MISMATCH',
    { input, multiple },
    {
      message: `An input of ${input.join('x')} does not fit: ${rule}.`,
      hint: 'Choose other sizes, fewer levels or another network.',
    },
  );
}

/** The rule in words. */
export function multipleWords([d, h, w]: Triple): string {
  if (d === h && h === w) {
    return d === 1 ? 'every size must be a whole number from 1 on' : `every size must divide by ${String(d)}`;
  }
  return h === w && d === 1
    ? `rows and columns must divide by ${String(h)}`
    : `sizes must divide by ${[d, h, w].join('x')}`;
}

/**
 * A scan's one channel as the network wants it: unchanged, or three for CE-Net: the slice thrice, or the slices
 * before, itself and behind (a block's first and last slice stand in for what is missing).
 *
 * @param image [samples, slices, rows, columns]
 * @returns [samples, slices, rows, columns, channels]
 */
export function withChannels(
  config: NetworkConfig,
  image: Float32Array,
  [, slices, rows, columns]: readonly [number, number, number, number],
): Float32Array {
  const { inputChannels } = networkOf(config);
  if (inputChannels === 1) return image;
  const reach = config.name === 'ce-net' && config.context === 'neighbours' ? 1 : 0;
  const area = rows * columns;
  const result = new Float32Array(image.length * inputChannels);
  for (let i = 0; i < image.length; i++) {
    const slice = Math.floor(i / area) % slices;
    for (let channel = 0; channel < inputChannels; channel++) {
      const wanted = slice + (channel - 1) * reach;
      const there = Math.min(slices - 1, Math.max(0, wanted));
      result[i * inputChannels + channel] = image[i + (there - slice) * area] ?? 0;
    }
  }
  return result;
}
