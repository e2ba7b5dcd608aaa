import type { CeNetConfig } from '../config.js';
import type { NetworkDefinition } from '../definition.js';
import type { Layers } from '../vocabulary.js';

/** CE-Net (Gu et al., IEEE TMI 2019): a ResNet-34 encoder, dense atrous convolutions, pyramid pooling. */
export const ceNet: NetworkDefinition<CeNetConfig> = {
  dimensions: 2,
  inputChannels: 3,
  paperInput: [1, 512, 512],
  multiple: () => ({ sizes: [1, 32, 32], reason: 'rows and columns are halved five times' }),
  leastSize: 192, // the widest pool of the pyramid takes 6 voxels of the coarsest level
  headCount: () => 0,
  describe(l, image, { baseWidth: b, classes }) {
    let x = l.convolution(image, 'stem.conv', { channels: b, kernel: 7, stride: 2, bias: false });
    x = l.batchNorm(x, 'stem.bn', 'relu');
    x = l.maxPool(x, 'stem.pool', { kernel: 3, stride: 2, padding: 1 });
    const e1 = layer(l, x, 'layer1', b, 3, 1);
    const e2 = layer(l, e1, 'layer2', 2 * b, 4, 2);
    const e3 = layer(l, e2, 'layer3', 4 * b, 6, 2);
    x = pyramid(l, atrous(l, layer(l, e3, 'layer4', 8 * b, 3, 2), 8 * b));
    x = l.add(decoder(l, x, 'dec4', 8 * b + 4, 4 * b), e3);
    x = l.add(decoder(l, x, 'dec3', 4 * b, 2 * b), e2);
    x = l.add(decoder(l, x, 'dec2', 2 * b, b), e1);
    x = decoder(l, x, 'dec1', b, b);
    const half = b / 2;
    const up = { channels: half, kernel: 4, stride: 2, padding: 1, bias: true };
    x = l.relu(l.transposedConvolution(x, 'final.up', up));
    x = l.relu(l.convolution(x, 'final.conv1', { channels: half, kernel: 3, bias: true }));
    x = l.convolution(x, 'final.conv2', { channels: 3, kernel: 3, bias: false });
    return { main: classes === 3 ? x : l.firstChannels(x, classes), heads: [] };
  },
};

/** Basic blocks of a ResNet; the first one may halve the size. */
function layer<T>(l: Layers<T>, x: T, name: string, channels: number, count: number, stride: number): T {
  for (let i = 0; i < count; i++) {
    const block = `${name}.${String(i)}`;
    const first = i === 0 && stride > 1;
    let y = l.convolution(x, `${block}.conv1`, {
      channels,
      kernel: 3,
      stride: first ? stride : 1,
      bias: false,
    });
    y = l.batchNorm(y, `${block}.bn1`, 'relu');
    y = l.convolution(y, `${block}.conv2`, { channels, kernel: 3, bias: false });
    y = l.batchNorm(y, `${block}.bn2`, 'none');
    const shorter = { channels, kernel: 1, stride, bias: false };
    const skip = first
      ? l.batchNorm(l.convolution(x, `${block}.shortcut.conv`, shorter), `${block}.shortcut.bn`, 'none')
      : x;
    x = l.relu(l.add(y, skip));
  }
  return x;
}

/** Four cascades of the same four convolutions (DAC). */
function atrous<T>(l: Layers<T>, x: T, channels: number): T {
  const dilated = (dilation: number) => ({ channels, kernel: 3, dilation, bias: true });
  const d1 = (y: T) => l.convolution(y, 'dac.d1', dilated(1));
  const d2 = (y: T) => l.convolution(y, 'dac.d2', dilated(3));
  const d3 = (y: T) => l.convolution(y, 'dac.d3', dilated(5));
  const c = (y: T) => l.convolution(y, 'dac.c', { channels, kernel: 1, bias: true });
  return [d1(x), c(d2(x)), c(d2(d1(x))), c(d3(d2(d1(x))))].reduce((sum, y) => l.add(sum, l.relu(y)), x);
}

/** Maxima over 2, 3, 5 and 6 voxels as one channel each, in front of x (SPP). */
function pyramid<T>(l: Layers<T>, x: T): T {
  const maps = [2, 3, 5, 6].map((kernel) => {
    const name = `spp.pool${String(kernel)}`;
    const pooled = l.maxPool(x, name, { kernel, stride: kernel, padding: 0 });
    const map = l.convolution(pooled, 'spp.conv', { channels: 1, kernel: 1, bias: true });
    return l.resize(map, `${name}.upsample`, l.sizeOf(x), 'centres');
  });
  return l.concat([...maps, x]);
}

function decoder<T>(l: Layers<T>, x: T, name: string, from: number, to: number): T {
  const channels = from / 4;
  const pointwise = (y: T, i: string, width: number) =>
    l.batchNorm(
      l.convolution(y, `${name}.conv${i}`, { channels: width, kernel: 1, bias: true }),
      `${name}.bn${i}`,
      'relu',
    );
  const up = { channels, kernel: 3, stride: 2, padding: 1, outputPadding: 1, bias: true };
  const raised = l.transposedConvolution(pointwise(x, '1', channels), `${name}.up`, up);
  return pointwise(l.batchNorm(raised, `${name}.bn2`, 'relu'), '3', to);
}
