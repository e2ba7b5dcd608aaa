import type { UNetConfig } from '../config.js';
import type { NetworkDefinition } from '../definition.js';
import type { Layers } from '../vocabulary.js';

/** U-Net (Ronneberger et al., MICCAI 2015) as the paper counted it: slice by slice, 3x3 with padding. */
export const uNet: NetworkDefinition<UNetConfig> = {
  dimensions: 2,
  inputChannels: 1,
  paperInput: [1, 512, 512],
  multiple: () => ({ sizes: [1, 16, 16], reason: 'rows and columns are halved four times' }),
  headCount: () => 0,
  describe(l, image, { baseWidth: b, classes }) {
    let x = double(l, image, 'inc', b);
    const skips = [];
    for (const [i, channels] of [2 * b, 4 * b, 8 * b, 8 * b].entries()) {
      skips.push(x);
      const name = `down${String(i + 1)}`;
      x = double(l, l.maxPool(x, `${name}.pool`, { kernel: 2, stride: 2, padding: 0 }), name, channels);
    }
    for (const [i, channels] of [4 * b, 2 * b, b, b].entries()) {
      const skip = skips[3 - i] as typeof x;
      const name = `up${String(i + 1)}`;
      const up = l.resize(x, `${name}.upsample`, l.sizeOf(skip), 'corners');
      x = double(l, l.concat([skip, up]), name, channels);
    }
    return { main: l.convolution(x, 'output', { channels: classes, kernel: 1, bias: true }), heads: [] };
  },
};

function double<T>(l: Layers<T>, x: T, name: string, channels: number): T {
  for (const i of ['1', '2']) {
    x = l.convolution(x, `${name}.conv${i}`, { channels, kernel: 3, bias: true });
    x = l.batchNorm(x, `${name}.bn${i}`, 'relu');
  }
  return x;
}
