// The bridge to Node for the kernels of the dense networks.
#include "arguments.h"

#include <cstring>

#include "dense-table.h"

namespace {

const DenseTable* K = nullptr;

size_t product(const int* v) { return size_t(v[0]) * v[1] * v[2]; }

// n, in 3, out 3, ci, co, kernel 3, stride 3, padding 3, dilation 3: twenty-one numbers
constexpr size_t kDense = 21;
Dense denseOf(Args& a) {
  Dense s;
  s.n = a.extent(0);
  for (int i = 0; i < 3; i++) {
    s.in[i] = a.extent(1 + i);
    s.out[i] = a.extent(4 + i);
    s.kernel[i] = a.extent(9 + i);
    s.stride[i] = a.extent(12 + i);
    s.padding[i] = a.integer(15 + i);
    s.dilation[i] = a.extent(18 + i);
    if (s.padding[i] < 0) a.fail("a padding below 0");
    if (a.good && s.out[i] != (s.in[i] + 2 * s.padding[i] - s.dilation[i] * (s.kernel[i] - 1) - 1) / s.stride[i] + 1)
      a.fail("the output's size does not follow from the input's");
  }
  s.ci = a.extent(7);
  s.co = a.extent(8);
  return s;
}
napi_value denseForward(Args& a) {
  const Dense s = denseOf(a);
  const float *x = a.floats(kDense, s.inVoxels() * s.ci), *w = a.floats(kDense + 1, size_t(s.taps()) * s.ci * s.co),
              *b = a.maybe(kDense + 2, s.co);
  float* y = a.floats(kDense + 3, s.outVoxels() * s.co);
  if (a.good) K->forward(s, x, w, b, y);
  return nothing(a.env);
}
napi_value denseInfer(Args& a) {
  const Dense s = denseOf(a);
  const float *x = a.floats(kDense, s.inVoxels() * s.ci), *w = a.floats(kDense + 1, size_t(s.taps()) * s.ci * s.co);
  const Finish finish{a.floats(kDense + 2, s.co), a.floats(kDense + 3, s.co), a.integer(kDense + 4) != 0};
  float* y = a.floats(kDense + 5, s.outVoxels() * s.co);
  if (a.good) K->infer(s, x, w, finish, y);
  return nothing(a.env);
}
napi_value denseBackwardInput(Args& a) {
  const Dense s = denseOf(a);
  const float *dy = a.floats(kDense, s.outVoxels() * s.co), *w = a.floats(kDense + 1, size_t(s.taps()) * s.ci * s.co),
              *b = a.maybe(kDense + 2, s.ci);
  float* dx = a.floats(kDense + 3, s.inVoxels() * s.ci);
  if (a.good) K->backwardInput(s, dy, w, b, dx);
  return nothing(a.env);
}
napi_value denseBackwardFilter(Args& a) {
  const Dense s = denseOf(a);
  const float *x = a.floats(kDense, s.inVoxels() * s.ci), *dy = a.floats(kDense + 1, s.outVoxels() * s.co);
  float* dw = a.floats(kDense + 2, size_t(s.taps()) * s.ci * s.co);
  if (a.good) K->backwardFilter(s, x, dy, dw);
  return nothing(a.env);
}
napi_value sumRows(Args& a) {
  const size_t rows = a.extent(0);
  const int c = a.extent(1);
  const float* x = a.floats(2, rows * c);
  float* sums = a.floats(3, c);
  if (a.good) K->sumRows(rows, c, x, sums);
  return nothing(a.env);
}

// n, in 3, out 3, c, kernel 3, stride 3, padding 3
Window windowOf(Args& a) {
  Window s;
  s.n = a.extent(0);
  for (int i = 0; i < 3; i++) {
    s.in[i] = a.extent(1 + i);
    s.out[i] = a.extent(4 + i);
    s.kernel[i] = a.extent(8 + i);
    s.stride[i] = a.extent(11 + i);
    s.padding[i] = a.integer(14 + i);
    if (a.good && (s.padding[i] < 0 || 2 * s.padding[i] > s.kernel[i])) a.fail("padding beyond half of the window");
    if (a.good && s.out[i] != (s.in[i] + 2 * s.padding[i] - s.kernel[i]) / s.stride[i] + 1)
      a.fail("the output's size does not follow from the input's");
  }
  s.c = a.extent(7);
  if (a.good && product(s.kernel) > 255) a.fail("a window of more than 255 voxels");
  return s;
}
napi_value maxPoolForward(Args& a) {
  const Window s = windowOf(a);
  const size_t out = s.n * product(s.out) * s.c;
  const float* x = a.floats(17, s.n * product(s.in) * s.c);
  float* y = a.floats(18, out);
  auto* winners = static_cast<uint8_t*>(a.array(19, napi_uint8_array, out));
  if (winners == nullptr) a.fail("an array is missing");
  if (a.good) K->maxPoolForward(s, x, y, winners);
  return nothing(a.env);
}
napi_value maxPoolBackward(Args& a) {
  const Window s = windowOf(a);
  const size_t out = s.n * product(s.out) * s.c;
  const float* dy = a.floats(17, out);
  const auto* winners = static_cast<const uint8_t*>(a.array(18, napi_uint8_array, out));
  float* dx = a.floats(19, s.n * product(s.in) * s.c);
  if (winners == nullptr) a.fail("an array is missing");
  if (a.good) K->maxPoolBackward(s, dy, winners, dx);
  return nothing(a.env);
}

// n, in 3, out 3, c, rule
Resize resizeOf(Args& a) {
  Resize s;
  s.n = a.extent(0);
  for (int i = 0; i < 3; i++) s.in[i] = a.extent(1 + i), s.out[i] = a.extent(4 + i);
  s.c = a.extent(7);
  s.rule = a.integer(8);
  return s;
}
napi_value resizeForward(Args& a) {
  const Resize s = resizeOf(a);
  const float* x = a.floats(9, s.n * product(s.in) * s.c);
  float* y = a.floats(10, s.n * product(s.out) * s.c);
  if (a.good) K->resizeForward(s, x, y);
  return nothing(a.env);
}
napi_value resizeBackward(Args& a) {
  const Resize s = resizeOf(a);
  const float* dy = a.floats(9, s.n * product(s.out) * s.c);
  float* dx = a.floats(10, s.n * product(s.in) * s.c);
  if (a.good) K->resizeBackward(s, dy, dx);
  return nothing(a.env);
}

// n, voxels, c, groups, epsilon, rectified
Groups groupsOf(Args& a) {
  const Groups s{a.extent(0), a.extent(1), a.extent(2), a.extent(3), float(a.number(4)), a.integer(5) != 0};
  if (a.good && s.c % s.groups != 0) a.fail("the groups do not divide the channels");
  return s;
}
napi_value groupNormForward(Args& a) {
  const Groups s = groupsOf(a);
  const size_t count = size_t(s.n) * s.voxels * s.c, groups = size_t(s.n) * s.groups;
  const float *x = a.floats(6, count), *gamma = a.floats(7, s.c), *beta = a.floats(8, s.c);
  float *mean = a.floats(9, groups), *variance = a.floats(10, groups), *y = a.floats(11, count);
  if (a.good) K->groupNormForward(s, x, gamma, beta, mean, variance, y);
  return nothing(a.env);
}
napi_value groupNormBackward(Args& a) {
  const Groups s = groupsOf(a);
  const size_t count = size_t(s.n) * s.voxels * s.c, groups = size_t(s.n) * s.groups;
  const float *x = a.floats(6, count), *gamma = a.floats(7, s.c), *mean = a.floats(8, groups),
              *variance = a.floats(9, groups), *dy = a.floats(10, count);
  float *dx = a.floats(11, count), *dgamma = a.floats(12, s.c), *dbeta = a.floats(13, s.c);
  if (a.good) K->groupNormBackward(s, x, gamma, mean, variance, dy, dx, dgamma, dbeta);
  return nothing(a.env);
}

napi_value reluForward(Args& a) {
  const size_t count = size_t(a.number(0));
  const float* x = a.floats(1, count);
  float* y = a.floats(2, count);
  if (a.good) K->reluForward(count, x, y);
  return nothing(a.env);
}
napi_value reluBackward(Args& a) {
  const size_t count = size_t(a.number(0));
  const float *y = a.floats(1, count), *dy = a.floats(2, count);
  float* dx = a.floats(3, count);
  if (a.good) K->reluBackward(count, y, dy, dx);
  return nothing(a.env);
}
napi_value preluForward(Args& a) {
  const size_t count = size_t(a.number(0));
  const float slope = float(a.number(1)), *x = a.floats(2, count);
  float* y = a.floats(3, count);
  if (a.good) K->preluForward(count, x, slope, y);
  return nothing(a.env);
}
napi_value preluBackward(Args& a) {
  const size_t count = size_t(a.number(0));
  const float slope = float(a.number(1)), *x = a.floats(2, count), *dy = a.floats(3, count);
  float* dx = a.floats(4, count);
  return numberOf(a.env, a.good ? K->preluBackward(count, x, slope, dy, dx) : 0.0);
}

// values, channels, first channel
Channels channelsOf(Args& a, size_t i, size_t rows, int count) {
  const int c = a.extent(i + 1), first = a.integer(i + 2);
  if (a.good && (first < 0 || first + count > c)) a.fail("channels beyond the last");
  return {a.floats(i, rows * c), c, first};
}
napi_value copyChannels(Args& a) {
  const size_t rows = a.extent(0);
  const int count = a.extent(1);
  const Channels from = channelsOf(a, 2, rows, count), to = channelsOf(a, 5, rows, count);
  if (a.good) K->copyChannels(rows, count, from, to);
  return nothing(a.env);
}

const DenseTable* tableOf(const char* instructionSet) {
#ifdef LVNET_X86
  if (std::strcmp(instructionSet, "avx512") == 0) return denseAvx512();
  if (std::strcmp(instructionSet, "avx2") == 0) return denseAvx2();
#endif
  return denseBaseline();
}

}  // namespace

void addDenseKernels(napi_env env, napi_value exports, const char* instructionSet) {
  if (K == nullptr) K = tableOf(instructionSet);
  const auto add = [&](const char* name, napi_callback f) { addFunction(env, exports, name, f); };
#define ADD(name) add(#name, pooled<name>)
  ADD(denseForward);
  ADD(denseInfer);
  ADD(denseBackwardInput);
  ADD(denseBackwardFilter);
  ADD(sumRows);
  ADD(maxPoolForward);
  ADD(maxPoolBackward);
  ADD(resizeForward);
  ADD(resizeBackward);
  ADD(groupNormForward);
  ADD(groupNormBackward);
  ADD(reluForward);
  ADD(reluBackward);
  ADD(preluForward);
  ADD(preluBackward);
  ADD(copyChannels);
}
