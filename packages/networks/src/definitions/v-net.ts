import type { VNetConfig } from '../config.js';
import type { NetworkDefinition } from '../definition.js';
import type { Layers } from '../vocabulary.js';

/** V-Net (Milletari et al., 3DV 2016) as the paper counted it: stages of 5x5x5 convolutions that add their input. */
export const vNet: NetworkDefinition<VNetConfig> = {
  dimensions: 3,
  inputChannels: 1,
  paperInput: [16, 256, 256],
  multiple: () => ({ sizes: [16, 16, 16], reason: 'every axis is halved four times' }),
  headCount: () => 0,
  describe(l, image, { baseWidth: b, classes }) {
    let x = l.add(unit(l, image, 'in.0', b), l.repeatChannel(image, b));
    const skips = [];
    for (const [i, count] of [2, 3, 3, 3].entries()) {
      skips.push(x);
      const channels = b * 2 ** (i + 1);
      const down = { channels, kernel: 2, stride: 2, padding: 0, bias: false };
      const name = `down${String(i + 1)}`;
      const halved = l.prelu(l.convolution(x, `${name}.conv`, down), `${name}.prelu`);
      x = stage(l, halved, `enc${String(i + 1)}`, channels, count);
    }
    for (const [i, count] of [3, 3, 2, 1].entries()) {
      const channels = b * 2 ** (4 - i);
      const up = { channels: channels / 2, kernel: 2, stride: 2, bias: false };
      const name = `up${String(i + 1)}`;
      const raised = l.prelu(l.transposedConvolution(x, `${name}.conv`, up), `${name}.prelu`);
      const joined = l.concat([raised, skips[3 - i] as typeof x]);
      x = stage(l, joined, `dec${String(i + 1)}`, channels, count);
    }
    return { main: l.convolution(x, 'output', { channels: classes, kernel: 1, bias: true }), heads: [] };
  },
};

function stage<T>(l: Layers<T>, input: T, name: string, channels: number, count: number): T {
  let x = input;
  for (let i = 0; i < count; i++) x = unit(l, x, `${name}.${String(i)}`, channels);
  return l.add(x, input);
}

function unit<T>(l: Layers<T>, x: T, name: string, channels: number): T {
  const y = l.convolution(x, `${name}.conv`, { channels, kernel: 5, bias: false });
  return l.prelu(l.batchNorm(y, `${name}.bn`, 'none'), `${name}.prelu`);
}
