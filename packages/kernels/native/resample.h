// Average pooling and trilinear up-sampling, rows of channels at a time.
#pragma once
#include "norm.h"

// out[i] = sum of weight * in[i] over a few rows of `count` floats.
static inline void blend(const float* const* rows, const float* weights, int parts, size_t count, float* out) {
  size_t i = 0;
  for (; i < count; i += L) {
    const int n = int(std::min<size_t>(L, count - i));
    V sum = loadn(rows[0] + i, n) * splat(weights[0]);
    for (int p = 1; p < parts; p++) sum = fma(loadn(rows[p] + i, n), splat(weights[p]), sum);
    storen(out + i, sum, n);
  }
}

static void poolForward(Depth s, const float* x, float* y) {
  const int od = s.d / 2, oh = s.h / 2, ow = s.w / 2;
  const size_t line = size_t(s.w) * s.c;
  parallel(s.n * od * oh, [&](int task, int thread) {
    const int oy = task % oh, oz = task / oh % od, volume = task / oh / od;
    const float* rows[4];
    const float weights[4] = {0.125f, 0.125f, 0.125f, 0.125f};
    for (int a = 0; a < 4; a++)
      rows[a] = x + ((size_t(volume) * s.d + 2 * oz + a / 2) * s.h + 2 * oy + a % 2) * line;
    float* sum = threadScratch(thread, 0, line);
    blend(rows, weights, 4, line, sum);
    float* out = y + size_t(task) * ow * s.c;
    for (int i = 0; i < ow; i++)
      for (int j = 0; j < s.c; j += L) {
        const int n = std::min(L, s.c - j);
        const float* p = sum + size_t(2 * i) * s.c + j;
        storen(out + size_t(i) * s.c + j, loadn(p, n) + loadn(p + s.c, n), n);
      }
  });
}

static void poolBackward(Depth s, const float* dy, float* dx) {
  const int od = s.d / 2, oh = s.h / 2, ow = s.w / 2;
  const V eighth = splat(0.125f);
  parallel(s.n * s.d * s.h, [&](int task, int) {
    const int y = task % s.h, z = task / s.h % s.d, volume = task / s.h / s.d;
    const float* from = dy + ((size_t(volume) * od + z / 2) * oh + y / 2) * ow * s.c;
    float* out = dx + size_t(task) * s.w * s.c;
    for (int i = 0; i < s.w; i++)
      for (int j = 0; j < s.c; j += L) {
        const int n = std::min(L, s.c - j);
        storen(out + size_t(i) * s.c + j, loadn(from + size_t(i / 2) * s.c + j, n) * eighth, n);
      }
  });
}

struct Tap { int low, high; float weight; };
static std::vector<Tap> linearTaps(int size, int factor) {
  std::vector<Tap> taps(size_t(size) * factor);
  for (int o = 0; o < size * factor; o++) {
    const double source = std::max(0.0, (o + 0.5) / factor - 0.5);
    const int low = std::min(size - 1, int(source));
    taps[o] = {low, std::min(size - 1, low + 1), float(source - low)};
  }
  return taps;
}

// Added to `onto`, where there is one.
static void upsampleForward(Depth s, int factor, const float* x, const float* onto, float* y) {
  const auto zs = linearTaps(s.d, factor), ys = linearTaps(s.h, factor), xs = linearTaps(s.w, factor);
  const int od = s.d * factor, oh = s.h * factor, ow = s.w * factor;
  const size_t line = size_t(s.w) * s.c;
  parallel(s.n * od * oh, [&](int task, int thread) {
    const int oy = task % oh, oz = task / oh % od, volume = task / oh / od;
    const Tap tz = zs[oz], ty = ys[oy];
    const auto row = [&](int iz, int iy) { return x + ((size_t(volume) * s.d + iz) * s.h + iy) * line; };
    const float* rows[4] = {row(tz.low, ty.low), row(tz.low, ty.high), row(tz.high, ty.low), row(tz.high, ty.high)};
    const float weights[4] = {(1 - tz.weight) * (1 - ty.weight), (1 - tz.weight) * ty.weight,
                              tz.weight * (1 - ty.weight), tz.weight * ty.weight};
    float* mixed = threadScratch(thread, 0, line);
    blend(rows, weights, 4, line, mixed);
    const size_t first = size_t(task) * ow * s.c;
    float* out = y + first;
    for (int i = 0; i < ow; i++) {
      const float *a = mixed + size_t(xs[i].low) * s.c, *b = mixed + size_t(xs[i].high) * s.c;
      const V wb = splat(xs[i].weight), wa = splat(1 - xs[i].weight);
      for (int j = 0; j < s.c; j += L) {
        const int n = std::min(L, s.c - j);
        const size_t at = size_t(i) * s.c + j;
        const V raised = fma(loadn(b + j, n), wb, loadn(a + j, n) * wa);
        storen(out + at, onto ? raised + loadn(onto + first + at, n) : raised, n);
      }
    }
  });
}

// The taps the other way round: which outputs read an input, first..first + count - 1, with their weights.
struct Readers {
  int first, count;
  std::vector<float> weights;
};
static std::vector<Readers> readersOf(int size, int factor) {
  const std::vector<Tap> taps = linearTaps(size, factor);
  std::vector<Readers> readers(size);
  for (int i = 0; i < size; i++) {
    int from = std::max(0, (i - 1) * factor), to = std::min(size * factor, (i + 2) * factor);
    const auto weight = [&](int o) { return (taps[o].low == i ? 1 - taps[o].weight : 0) + (taps[o].high == i ? taps[o].weight : 0); };
    while (weight(from) == 0) from++;
    while (weight(to - 1) == 0) to--;
    readers[i] = {from, to - from, {}};
    for (int o = from; o < to; o++) readers[i].weights.push_back(weight(o));
  }
  return readers;
}

// Lines are folded along the width first, each once; the lines of dx then blend the shorter ones that read them.
static void upsampleBackward(Depth s, int factor, const float* dy, float* dx) {
  const auto zs = readersOf(s.d, factor), ys = readersOf(s.h, factor), xs = readersOf(s.w, factor);
  const int od = s.d * factor, oh = s.h * factor;
  const size_t line = size_t(s.w) * s.c, wide = line * factor;
  float* folded = sharedScratch(2, size_t(s.n) * od * oh * line);
  parallel(s.n * od * oh, [&](int task, int) {
    for (int i = 0; i < s.w; i++) {
      const Readers& r = xs[i];
      const float* g = dy + task * wide + size_t(r.first) * s.c;
      for (int j = 0; j < s.c; j += L) {
        const int n = std::min(L, s.c - j);
        V sum = loadn(g + j, n) * splat(r.weights[0]);
        for (int o = 1; o < r.count; o++) sum = fma(loadn(g + size_t(o) * s.c + j, n), splat(r.weights[o]), sum);
        storen(folded + task * line + size_t(i) * s.c + j, sum, n);
      }
    }
  });
  parallel(s.n * s.d * s.h, [&](int task, int) {
    const Readers &y = ys[task % s.h], &z = zs[task / s.h % s.d];
    const float* from = folded + (size_t(task / s.h / s.d) * od + z.first) * oh * line + y.first * line;
    for (size_t i = 0; i < line; i += L) {
      const int n = int(std::min<size_t>(L, line - i));
      V sum = splat(0.0f);
      for (int a = 0; a < z.count; a++)
        for (int b = 0; b < y.count; b++)
          sum = fma(loadn(from + (size_t(a) * oh + b) * line + i, n), splat(z.weights[a] * y.weights[b]), sum);
      storen(dx + task * line + i, sum, n);
    }
  });
}
