import {
  outputSize,
  resizeTaps,
  type DenseKernels,
  type MaxPoolShape,
  type ResizeRule,
  type ResizeShape,
} from '../dense-kernels.js';

const at = (array: ArrayLike<number>, i: number): number => array[i] ?? Number.NaN;

/** Calls back for every output voxel and every voxel of its window that lies inside, row-major. */
function forEachWindow(s: MaxPoolShape, visit: (output: number, input: number, place: number) => void): void {
  const { n, d, h, w, kernel, stride, padding } = s;
  const [od, oh, ow] = outputSize({ ...s, dilation: [1, 1, 1] });
  for (let i = 0; i < n; i++)
    for (let z = 0; z < od; z++)
      for (let y = 0; y < oh; y++)
        for (let x = 0; x < ow; x++)
          for (let place = 0; place < kernel[0] * kernel[1] * kernel[2]; place++) {
            const iz = z * stride[0] - padding[0] + Math.floor(place / (kernel[1] * kernel[2]));
            const iy = y * stride[1] - padding[1] + (Math.floor(place / kernel[2]) % kernel[1]);
            const ix = x * stride[2] - padding[2] + (place % kernel[2]);
            if (iz < 0 || iz >= d || iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
            visit(((i * od + z) * oh + y) * ow + x, ((i * d + iz) * h + iy) * w + ix, place);
          }
}

/** Calls back for every output voxel and every input voxel that it reads, with its share. */
function forEachShare(
  s: ResizeShape,
  rule: ResizeRule,
  visit: (output: number, input: number, share: number) => void,
): void {
  const { n, d, h, w, to } = s;
  const ends = (taps: ReturnType<typeof resizeTaps>) =>
    taps.map(({ low, high, weight }) => [
      { i: low, share: 1 - weight },
      { i: high, share: weight },
    ]);
  const [zs, ys, xs] = [
    resizeTaps(d, to[0], rule),
    resizeTaps(h, to[1], rule),
    resizeTaps(w, to[2], rule),
  ].map(ends);
  let output = 0;
  for (let i = 0; i < n; i++)
    for (const zEnds of zs ?? [])
      for (const yEnds of ys ?? [])
        for (const xEnds of xs ?? []) {
          for (const z of zEnds)
            for (const y of yEnds)
              for (const x of xEnds) {
                const share = z.share * y.share * x.share;
                if (share !== 0) visit(output, ((i * d + z.i) * h + y.i) * w + x.i, share);
              }
          output++;
        }
}

export const denseResampling: Pick<
  DenseKernels,
  'maxPoolForward' | 'maxPoolBackward' | 'resizeForward' | 'resizeBackward'
> = {
  maxPoolForward(s, x, y, winners) {
    const { c } = s;
    const started = new Uint8Array(y.length);
    forEachWindow(s, (output, input, place) => {
      for (let ch = 0; ch < c; ch++) {
        const [o, value] = [output * c + ch, at(x, input * c + ch)];
        if (at(started, o) === 1 && !(value > at(y, o)) && !Number.isNaN(value)) continue;
        started[o] = 1;
        y[o] = value;
        winners[o] = place;
      }
    });
  },
  maxPoolBackward(s, dy, winners, dx) {
    const { c } = s;
    const sums = new Float64Array(dx.length);
    forEachWindow(s, (output, input, place) => {
      for (let ch = 0; ch < c; ch++) {
        const [o, i] = [output * c + ch, input * c + ch];
        if (at(winners, o) === place) sums[i] = at(sums, i) + at(dy, o);
      }
    });
    dx.set(sums);
  },
  resizeForward(s, rule, x, y) {
    const { c } = s;
    const sums = new Float64Array(y.length);
    forEachShare(s, rule, (output, input, share) => {
      for (let ch = 0; ch < c; ch++)
        sums[output * c + ch] = at(sums, output * c + ch) + share * at(x, input * c + ch);
    });
    y.set(sums);
  },
  resizeBackward(s, rule, dy, dx) {
    const { c } = s;
    const sums = new Float64Array(dx.length);
    forEachShare(s, rule, (output, input, share) => {
      for (let ch = 0; ch < c; ch++)
        sums[input * c + ch] = at(sums, input * c + ch) + share * at(dy, output * c + ch);
    });
    dx.set(sums);
  },
};
