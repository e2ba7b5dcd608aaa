import type { LvNetConfig } from '../config.js';
import type { NetworkDefinition } from '../definition.js';
import type { Layers } from '../vocabulary.js';

/**
 * LV-Net (Lei et al., ICASSP 2021) from inverted-residual blocks. The paper's count leaves 576 parameters, which
 * biases on the convolutions of the full-resolution blocks explain; before a batch norm they change nothing.
 */
export const lvNet: NetworkDefinition<LvNetConfig> = {
  dimensions: 3,
  inputChannels: 1,
  paperInput: [16, 256, 256],
  multiple: ({ levels }) => {
    const each = 2 ** (levels - 1);
    return { sizes: [each, each, each], reason: '2^(levels - 1)' };
  },
  headCount: ({ levels }) => levels - 1,
  describe(l, image, config) {
    const { levels, activation, baseWidth, classes, kernel } = config;
    const widthAt = (level: number) => baseWidth * 2 ** level;
    const pointwise = { kernel: 1, bias: false };
    const classify = { channels: classes, kernel: 1, bias: true };

    let x = l.convolution(image, 'stem.conv', { channels: baseWidth, kernel, bias: false });
    x = l.batchNorm(x, 'stem.bn', activation);
    const encoded = [];
    for (let level = 0; level < levels - 1; level++) {
      x = stage(l, x, `enc${String(level)}`, level, config);
      encoded.push(x);
      const name = `down${String(level)}`;
      x = l.pooledConvolution(x, `${name}.conv`, widthAt(level + 1), `${name}.pool`);
      x = l.batchNorm(x, `${name}.bn`, activation);
    }
    x = stage(l, x, 'bottom', levels - 1, config);
    const decoded = [];
    for (const [i, skip] of encoded.reverse().entries()) {
      const level = levels - 2 - i;
      const name = `up${String(level)}`;
      x = l.convolution(x, `${name}.conv`, { ...pointwise, channels: widthAt(level) });
      x = l.upsample(l.batchNorm(x, `${name}.bn`, activation), `${name}.upsample`, 2, skip);
      x = stage(l, x, `dec${String(level)}`, level, config);
      decoded.push({ x, level });
    }
    const heads = (l.supervised ? decoded : []).map(({ x: stageOutput, level }, i) => {
      const name = `head${String(i + 1)}`;
      return l.upsample(l.convolution(stageOutput, name, classify), `${name}.upsample`, 2 ** level);
    });
    return { main: l.convolution(x, 'output', classify), heads };
  },
};

function stage<T>(l: Layers<T>, x: T, name: string, level: number, config: LvNetConfig): T {
  const { expansionRate, kernel, activation } = config;
  for (let i = 0; i < config.blocksPerStage; i++) {
    const o = { expansionRate, kernel, activation, bias: level === 0 };
    x = l.invertedResidual(x, `${name}.${String(i)}`, o);
  }
  return x;
}
