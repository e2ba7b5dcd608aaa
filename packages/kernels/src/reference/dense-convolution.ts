import { outputSize, type DenseKernels, type DenseShape } from '../dense-kernels.js';
import { rectify } from './rectify.js';

const at = (array: Float32Array | Float64Array, i: number): number => array[i] ?? Number.NaN;

function add(sums: Float64Array, i: number, value: number): void {
  sums[i] = at(sums, i) + value;
}

/** Calls back for every output voxel and every tap whose input voxel lies inside. */
function forEachTap(s: DenseShape, visit: (output: number, input: number, tap: number) => void): void {
  const { n, d, h, w, kernel, stride, padding, dilation } = s;
  const [od, oh, ow] = outputSize(s);
  for (let i = 0; i < n; i++)
    for (let z = 0; z < od; z++)
      for (let y = 0; y < oh; y++)
        for (let x = 0; x < ow; x++)
          for (let kz = 0; kz < kernel[0]; kz++)
            for (let ky = 0; ky < kernel[1]; ky++)
              for (let kx = 0; kx < kernel[2]; kx++) {
                const iz = z * stride[0] + kz * dilation[0] - padding[0];
                const iy = y * stride[1] + ky * dilation[1] - padding[1];
                const ix = x * stride[2] + kx * dilation[2] - padding[2];
                if (iz < 0 || iz >= d || iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
                visit(
                  ((i * od + z) * oh + y) * ow + x,
                  ((i * d + iz) * h + iy) * w + ix,
                  (kz * kernel[1] + ky) * kernel[2] + kx,
                );
              }
}

const tapsOf = ({ kernel }: DenseShape): number => kernel[0] * kernel[1] * kernel[2];

const withBias = (length: number, c: number, bias: Float32Array | null): Float64Array =>
  Float64Array.from({ length }, (_, i) => (bias === null ? 0 : at(bias, i % c)));

export const denseConvolution: Pick<
  DenseKernels,
  | 'convolutionForward'
  | 'convolutionInfer'
  | 'convolutionBackwardInput'
  | 'convolutionBackwardFilter'
  | 'sumRows'
> = {
  convolutionForward(s, x, weight, bias, y) {
    const { ci, co } = s;
    const taps = tapsOf(s);
    const sums = withBias(y.length, co, bias);
    forEachTap(s, (output, input, tap) => {
      for (let o = 0; o < co; o++)
        for (let i = 0; i < ci; i++)
          add(sums, output * co + o, at(x, input * ci + i) * at(weight, (o * ci + i) * taps + tap));
    });
    y.set(sums);
  },
  convolutionInfer(s, x, weight, { scale, shift, rectified }, y) {
    denseConvolution.convolutionForward(s, x, weight, null, y);
    for (let i = 0; i < y.length; i++) {
      const value = at(y, i) * at(scale, i % s.co) + at(shift, i % s.co);
      y[i] = rectified ? rectify(value) : value;
    }
  },
  convolutionBackwardInput(s, dy, weight, bias, dx) {
    const { ci, co } = s;
    const taps = tapsOf(s);
    const sums = withBias(dx.length, ci, bias);
    forEachTap(s, (output, input, tap) => {
      for (let o = 0; o < co; o++)
        for (let i = 0; i < ci; i++)
          add(sums, input * ci + i, at(dy, output * co + o) * at(weight, (o * ci + i) * taps + tap));
    });
    dx.set(sums);
  },
  convolutionBackwardFilter(s, x, dy, dweight) {
    const { ci, co } = s;
    const taps = tapsOf(s);
    const sums = new Float64Array(dweight.length);
    forEachTap(s, (output, input, tap) => {
      for (let o = 0; o < co; o++)
        for (let i = 0; i < ci; i++)
          add(sums, (o * ci + i) * taps + tap, at(dy, output * co + o) * at(x, input * ci + i));
    });
    dweight.set(sums);
  },
  sumRows(rows, c, x, sums) {
    const totals = new Float64Array(c);
    for (let i = 0; i < rows * c; i++) add(totals, i % c, at(x, i));
    sums.set(totals);
  },
};
