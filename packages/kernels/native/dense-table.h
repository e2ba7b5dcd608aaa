// The kernels of the dense networks for one instruction set. Shapes are NDHWC; see src/dense-kernels.ts.
#pragma once
#include <cstddef>
#include <cstdint>

// Axes are slices, rows, columns; `in` belongs to the convolution's input, `out` to its output.
struct Dense {
  int n, in[3], out[3], ci, co, kernel[3], stride[3], padding[3], dilation[3];
  int taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  size_t inVoxels() const { return size_t(n) * in[0] * in[1] * in[2]; }
  size_t outVoxels() const { return size_t(n) * out[0] * out[1] * out[2]; }
};
// What is done to a convolution's sums, channel by channel: times scale plus shift, then max(0, .) if `rectified`.
struct Finish {
  const float *scale, *shift;
  bool rectified;
};
struct Window {
  int n, in[3], out[3], c, kernel[3], stride[3], padding[3];
};
enum Rule { NEAREST = 0, CENTRES = 1, CORNERS = 2 };
struct Resize {
  int n, in[3], out[3], c, rule;
};
struct Groups {
  int n, voxels, c, groups;
  float epsilon;
  bool rectified;
};
struct Channels {
  float* values;
  int c, first;
};

struct DenseTable {
  const char* name;
  void (*forward)(const Dense&, const float* x, const float* w, const float* bias, float* y);
  void (*infer)(const Dense&, const float* x, const float* w, const Finish& finish, float* y);
  void (*backwardInput)(const Dense&, const float* dy, const float* w, const float* bias, float* dx);
  void (*backwardFilter)(const Dense&, const float* x, const float* dy, float* dw);
  void (*sumRows)(size_t rows, int c, const float* x, float* sums);
  void (*maxPoolForward)(const Window&, const float* x, float* y, uint8_t* winners);
  void (*maxPoolBackward)(const Window&, const float* dy, const uint8_t* winners, float* dx);
  void (*resizeForward)(const Resize&, const float* x, float* y);
  void (*resizeBackward)(const Resize&, const float* dy, float* dx);
  void (*groupNormForward)(const Groups&, const float* x, const float* gamma, const float* beta, float* mean,
                           float* variance, float* y);
  void (*groupNormBackward)(const Groups&, const float* x, const float* gamma, const float* mean,
                            const float* variance, const float* dy, float* dx, float* dgamma, float* dbeta);
  void (*reluForward)(size_t count, const float* x, float* y);
  void (*reluBackward)(size_t count, const float* y, const float* dy, float* dx);
  void (*preluForward)(size_t count, const float* x, float slope, float* y);
  double (*preluBackward)(size_t count, const float* x, float slope, const float* dy, float* dx);
  void (*copyChannels)(size_t rows, int count, Channels from, Channels to);
};

const DenseTable* denseAvx512();
const DenseTable* denseAvx2();
const DenseTable* denseBaseline();
