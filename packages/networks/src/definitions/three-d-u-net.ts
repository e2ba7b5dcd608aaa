import type { ThreeDUNetConfig } from '../config.js';
import type { NetworkDefinition } from '../definition.js';
import type { Layers } from '../vocabulary.js';

/** 3D U-Net (Cicek et al., MICCAI 2016) as the paper counted it: group norm after the rectifier, padded pools. */
export const threeDUNet: NetworkDefinition<ThreeDUNetConfig> = {
  dimensions: 3,
  inputChannels: 1,
  paperInput: [16, 256, 256],
  multiple: () => ({ sizes: [1, 1, 1], reason: 'any size will do' }),
  headCount: () => 0,
  describe(l, image, { baseWidth: b, groups, classes }) {
    const skips: (typeof image)[] = [];
    let x = image;
    for (const [i, [first, second]] of (
      [
        [b, 2 * b],
        [2 * b, 4 * b],
        [4 * b, 8 * b],
        [8 * b, 16 * b],
      ] as const
    ).entries()) {
      const name = `e${String(i)}`;
      if (i > 0) {
        skips.push(x);
        x = l.maxPool(x, `${name}.pool`, { kernel: 2, stride: 2, padding: 1 });
      }
      x = unit(l, unit(l, x, `${name}.0`, first, groups), `${name}.1`, second, groups);
    }
    for (const [i, channels] of [8 * b, 4 * b, 2 * b].entries()) {
      const skip = skips[2 - i] as typeof x;
      const name = `d${String(i)}`;
      const up = l.resize(x, `${name}.upsample`, l.sizeOf(skip), 'nearest');
      x = unit(l, l.concat([skip, up]), `${name}.0`, channels, groups);
      x = unit(l, x, `${name}.1`, channels, groups);
    }
    return { main: l.convolution(x, 'output', { channels: classes, kernel: 1, bias: true }), heads: [] };
  },
};

function unit<T>(l: Layers<T>, x: T, name: string, channels: number, groups: number): T {
  const y = l.convolution(x, `${name}.conv`, { channels, kernel: 3, bias: true });
  return l.rectifiedGroupNorm(y, `${name}.norm`, groups);
}
